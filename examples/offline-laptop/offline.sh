#!/bin/sh
# Without a network: installs from the store, and from other laptops on the same Wi-Fi or cable.
set -eu
catalog exec -- npm ci --no-audit
