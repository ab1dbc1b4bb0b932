#!/usr/bin/env python3
"""BIDS App entry point: ``run.py BIDS_DIR OUTPUT_DIR {participant,group} [options]``."""

from bidsapp_synthfmri.cli import bids_app

if __name__ == "__main__":
    bids_app()
