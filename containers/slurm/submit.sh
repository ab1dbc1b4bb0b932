#!/usr/bin/env bash
# Submit all participants as one array, and the group level after it:
#
#   containers/slurm/submit.sh BIDS_DIR OUTPUT_DIR [options of synthfmri run, of both levels]
#
# SBATCH_OPTIONS has what sbatch is to be given beside that (--mem, --partition, --account ...). A participant who fails
# leaves the group level unsubmitted to a node: mend it and submit again; those that are finished stay as they are.
# Prints the two jobs' numbers.
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: $0 BIDS_DIR OUTPUT_DIR [options of synthfmri run]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
bids_dir=$1
labels=$(find -L "$bids_dir" -mindepth 1 -maxdepth 1 -type d -name 'sub-*' -printf '%f\n' | sed 's/^sub-//' | LC_ALL=C sort)
[ -n "$labels" ] || { echo "$bids_dir has no folder sub-*. Give the dataset's root." >&2; exit 3; }
n=$(wc -l <<< "$labels")
read -r -a options <<< "${SBATCH_OPTIONS:-}"

array=$(sbatch --parsable --array="1-$n" "${options[@]}" "$here/participant.sbatch" "$1" "$2" "$labels" "${@:3}")
group=$(sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes "${options[@]}" \
  "$here/group.sbatch" "$1" "$2" "${@:3}")
echo "$array $group"
