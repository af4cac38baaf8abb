#!/bin/sh
# What a job runs instead of "npm ci". It finds the daemon of its machine by its port, as a peer.
set -eu
if command -v catalog > /dev/null; then
  catalog exec --report catalog-report.json -- npm ci
else
  echo "there is no catalog on this runner: without it" >&2
  npm ci
fi
