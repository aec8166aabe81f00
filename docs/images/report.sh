#!/bin/sh
# Takes the screenshots of "bifrost report" for the docs, in a real browser without a
# window: report.png and report-dark.png beside this script. Not part of make test.
#
#   . .local/env && docs/images/report.sh        the archive of make up
#   docs/images/report.sh page.html              a page that is there already
#
# It needs Chromium (Debian: apt-get install chromium) and, for the first form, Go.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ $# -gt 0 ]; then
	cp "$1" "$work/report.html"
else
	(cd "$here/../.." && go run ./cmd/bifrost report --output "$work/report.html")
fi

shoot() { # name, 0 for dark and 1 for light
	chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --disable-background-networking \
		--disable-component-update --disable-sync --user-data-dir="$work/profile-$2" --blink-settings=preferredColorScheme="$2" \
		--window-size=1280,900 --screenshot="$here/$1" "file://$work/report.html" 2>"$work/chromium.log" ||
		{ cat "$work/chromium.log" >&2; exit 1; }
	test -s "$here/$1" || { echo "$1 was not written" >&2; exit 1; }
}
shoot report.png 1
shoot report-dark.png 0
