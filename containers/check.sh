#!/usr/bin/env bash
# Build the image from a base and check it:
#
#   containers/check.sh BASE [--python PYTHON] [--variant cpu|cuda] [--engine bwrap|podman] [--work DIR] [--keep]
#
# BASE is any Debian-like image: a name that buildah can pull, a folder or tar of a root file system (such as
# containers/debian_base.sh makes), or an archive of docker or OCI. The demo's data are run through participant and
# group level by the image, its root and its input read-only and without network, as a user that no file knows, and by
# PYTHON outside (default: .venv/bin/python, which must have the versions of the lock); the outputs of both must be the
# same (containers/compare.py). Needs root, buildah and bubblewrap or podman, and for the variant cuda some 20 GB below DIR.
# pip's settings of this machine reach the build, and no image.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
here=$root/containers
stranger=54321

die() { echo "$*" >&2; exit 2; }
say() { printf '\n== %s\n' "$*" >&2; }

base='' python=$root/.venv/bin/python variant=cuda engine=bwrap work='' keep=''
while [ $# -gt 0 ]; do
  case $1 in
    --python | --variant | --engine | --work) [ $# -ge 2 ] || die "$1 needs a value"; printf -v "${1#--}" %s "$2"; shift 2 ;;
    --keep) keep=yes; shift ;;
    -*) die "There is no option $1" ;;
    *) [ -z "$base" ] || die "Two bases are given: $base and $1"; base=$1; shift ;;
  esac
done
[ -n "$base" ] || die "usage: $0 BASE [--python PYTHON] [--variant cpu|cuda] [--engine bwrap|podman] [--work DIR] [--keep]"
[ "$(id -u)" = 0 ] || die "Building and mounting an image needs root"
case $variant in cpu | cuda) ;; *) die "--variant is $variant: give cpu or cuda" ;; esac
case $engine in bwrap | podman) ;; *) die "--engine is $engine: give bwrap or podman" ;; esac
for program in buildah "$engine" "$python"; do
  command -v "$program" > /dev/null || die "$program is not installed"
done
"$python" "$here/versions.py" "$here/requirements-$variant.lock"

[ -n "$work" ] || work=$(mktemp -d "${TMPDIR:-/tmp}/synthfmri-check.XXXXXX")
mkdir -p "$work"
work=$(cd "$work" && pwd)
chmod a+rx "$work"
export PYTHONPATH=$root OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
# What results depend on beside the program: the same kernels and the same number of threads on both sides.
same=(OMP_NUM_THREADS)
for name in OPENBLAS_CORETYPE OPENBLAS_L2_SIZE; do
  [ -z "${!name:-}" ] || same+=("$name")
done

# An image store of its own, so that nothing of the machine's is touched.
export CONTAINERS_STORAGE_CONF=$work/storage.conf BUILDAH_ISOLATION=chroot
driver() {
  local probe=$work/probe
  mkdir -p "$probe"/{lower,upper,work,merged}
  if mount -t overlay overlay -o "lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work" "$probe/merged" 2> /dev/null
  then umount "$probe/merged"; echo overlay
  else echo vfs
  fi
}
cat > "$CONTAINERS_STORAGE_CONF" << END
[storage]
driver = "$(driver)"
graphroot = "$work/storage"
runroot = "$work/run"
END

mounted=''
clean() {
  [ -z "$mounted" ] || umount "$mounted"
  if [ -n "$keep" ]; then echo "Kept: $work" >&2; return; fi
  buildah rm --all > /dev/null || true
  buildah rmi --all --force > /dev/null || true
  rm -rf "$work"/{storage,run,root,probe,context,pip.conf,storage.conf}
  if [ -z "$passed" ]; then echo "What was run is in $work" >&2; return; fi
  rm -rf "$work"/{data,outside,inside,refusal.log,build.log}
  rmdir --ignore-fail-on-non-empty "$work"
}
passed=''
trap clean EXIT

say "Base: $base"
import() {
  local container
  if [ -d "$base" ] && [ -e "$base/index.json" ]; then buildah pull -q "oci:$base"; return; fi
  if [ -f "$base" ] && tar -tf "$base" manifest.json > /dev/null 2>&1; then buildah pull -q "docker-archive:$base"; return; fi
  if [ ! -e "$base" ]; then echo "$base"; return; fi
  container=$(buildah from scratch)
  buildah add -q "$container" "$base" / > /dev/null
  buildah commit -q --rm "$container" localhost/synthfmri-base > /dev/null
  echo localhost/synthfmri-base
}
image_base=$(import)

say "Build, variant $variant"
context=$work/context
mkdir -p "$context/weights"
(cd "$root" && cp -r Dockerfile .dockerignore setup.cfg pyproject.toml README.md LICENSE run.py bidsapp_synthfmri containers "$context")
# AlexNet as it is before training stands in for ImageNet's weights: made here, baked in from a file.
weights=$("$python" "$here/stand_in_weights.py" "$context/weights")
volumes=()
while IFS= read -r volume; do
  volumes+=(--volume "$volume:ro")
done < <("$python" "$here/pip_settings.py" "$work/pip.conf")
build=(buildah bud --network host --secret "id=pip,src=$work/pip.conf" "${volumes[@]}"
  --build-arg "BASE=$image_base" --build-arg "VARIANT=$variant")
if "${build[@]}" --target weights --build-arg "WEIGHTS=weights/$weights" "$context" > "$work/refusal.log" 2>&1; then
  die "Weights under another file's hash were baked in"
fi
grep -q 'which must begin with' "$work/refusal.log" || { cat "$work/refusal.log" >&2; die "The weights were not refused for their hash"; }
revision=$(git -C "$root" rev-parse HEAD 2> /dev/null || echo unknown)
"${build[@]}" -t localhost/synthfmri \
  --build-arg "WEIGHTS=weights/$weights" --build-arg "WEIGHTS_URL=file:///weights/$weights" \
  --build-arg "REVISION=$revision" --build-arg "CREATED=$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
  "$context" > "$work/build.log" 2>&1 || { tail -n 30 "$work/build.log" >&2; die "The build failed: $work/build.log"; }
grep -E '^(AlexNet|synthfmri) .*works' "$work/build.log" >&2

say "Labels"
of_image() { buildah inspect --type image --format "$1" localhost/synthfmri; }
# shellcheck disable=SC2016
labels=$(of_image '{{range $k, $v := .OCIv1.Config.Labels}}{{$k}}={{$v}}{{"\n"}}{{end}}')
for label in org.opencontainers.image.{title,description,licenses,version,revision,created} \
  org.label-schema.{schema-version,name,description,version,vcs-ref,build-date}; do
  grep -E "^$label=." <<< "$labels" >&2 || die "The image has no label $label"
done
environment=$(of_image '{{range .OCIv1.Config.Env}}{{.}}{{"\n"}}{{end}}')
mapfile -t entry < <(of_image '{{range .OCIv1.Config.Entrypoint}}{{.}}{{"\n"}}{{end}}' | sed '/^$/d')

say "Data, and the run outside"
data=$work/data
[ -d "$data/bids" ] || "$python" -c 'from bidsapp_synthfmri.cli import main; main()' simulate "$data" > /dev/null
options=(--n-cpus 2 --device cpu)
outside=$work/outside inside=$work/inside
mkdir -p "$outside" "$inside"
"$python" "$root/run.py" "$data/bids" "$outside/out" participant -w "$outside/work" --images "extra=$data/extra" \
  --weights "$context/weights/$weights" "${options[@]}" > "$outside/log" 2>&1 || { tail "$outside/log" >&2; die "The participant level failed outside"; }
"$python" "$root/run.py" "$data/bids" "$outside/out" group -w "$outside/work" \
  --weights "$context/weights/$weights" "${options[@]}" >> "$outside/log" 2>&1 || { tail "$outside/log" >&2; die "The group level failed outside"; }

say "The same inside, by $engine"
baked=/opt/torch/hub/checkpoints/$weights
mkdir -p "$inside"/{out,work}
chown "$stranger:$stranger" "$inside"/{out,work}
if [ "$engine" = bwrap ]; then
  container=$(buildah from localhost/synthfmri)
  image_root=$(buildah mount "$container")
  mkdir -p "$image_root"/{bids,extra,out,work}
  # The store's own folders are closed to others than root.
  mkdir -p "$work/root"
  mount --bind "$image_root" "$work/root"
  mounted=$work/root
  variables=()
  while IFS='=' read -r name value; do
    [ -z "$name" ] || variables+=(--setenv "$name" "$value")
  done <<< "$environment"
  for name in "${same[@]}"; do variables+=(--setenv "$name" "${!name}"); done
  setpriv --reuid "$stranger" --regid "$stranger" --clear-groups test -r "$data/bids" || die "Others than root cannot read below $work"
  contained() {
    setpriv --reuid "$stranger" --regid "$stranger" --clear-groups bwrap --die-with-parent --unshare-all --clearenv \
      "${variables[@]}" --ro-bind "$work/root" / --proc /proc --dev /dev --tmpfs /tmp \
      --ro-bind "$data/bids" /bids --ro-bind "$data/extra" /extra --bind "$inside/out" /out --bind "$inside/work" /work \
      --chdir /tmp "$@"
  }
else
  variables=()
  for name in "${same[@]}"; do variables+=(--env "$name"); done
  contained() {
    local program=$1
    shift
    podman run --rm --read-only --network none --user "$stranger:$stranger" --tmpfs /tmp:rw,exec,mode=1777 \
      "${variables[@]}" -v "$data/bids:/bids:ro" -v "$data/extra:/extra:ro" -v "$inside/out:/out" -v "$inside/work:/work" \
      --entrypoint "$program" localhost/synthfmri "$@"
  }
fi
contained sh -c '! env | grep ^PIP_ && [ ! -e /etc/pip.conf ]' || die "The image tells of this machine's settings of pip"
contained sh -c "[ \$(id -u) = $stranger ] && ! touch /opt/x /bids/x 2> /dev/null && [ \$(tail -n +3 /proc/net/dev | wc -l) = 1 ]" \
  || die "The container can write to its root or input, or has a network, or another user"
contained "${entry[@]}" /bids /out participant -w /work --images extra=/extra --weights "$baked" "${options[@]}" \
  > "$inside/log" 2>&1 || { tail "$inside/log" >&2; die "The participant level failed inside"; }
contained "${entry[@]}" /bids /out group -w /work --weights "$baked" "${options[@]}" \
  >> "$inside/log" 2>&1 || { tail "$inside/log" >&2; die "The group level failed inside"; }
status=0
contained "${entry[@]}" /bids /out participant -w /work --participant-label nobody --weights "$baked" \
  >> "$inside/log" 2>&1 || status=$?
[ "$status" = 5 ] || die "A participant who is not there ended with $status instead of 5"

say "Outputs, outside and inside"
"$python" "$here/compare.py" "$outside/out" "$inside/out"
passed=yes
