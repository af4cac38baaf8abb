#!/bin/sh
# In the air: from the store, and from other laptops on the same Wi-Fi or cable.
set -eu
catalog exec -- npm ci --no-audit
