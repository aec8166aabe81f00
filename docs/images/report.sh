#!/bin/sh
# Takes the screenshots of "bifrost report" for the docs, in a real browser without a
# window: report.png and report-dark.png beside this script. Not part of make test.
#
#   . .local/env && docs/images/report.sh        the archive of make up
#   docs/images/report.sh page.html              a page that is there already
#   docs/images/report.sh invented               an invented archive that has something of everything
#   SHOTS=DIR docs/images/report.sh ...          into DIR, and as on a phone and a wide screen too
#
# Before that it looks at the page as a screen reader gets it (accessibility.py), and ends if something has no name.
#
# It needs Chromium (Debian: apt-get install chromium; or CHROMIUM=/path/to/one, such as
# that of "npx playwright install chromium") Python 3 and, except for the second form, Go.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
to=${SHOTS:-$here}
chromium=${CHROMIUM:-chromium}

case ${1:-} in
"") (cd "$here/../.." && go run ./cmd/bifrost report --output "$work/report.html") ;;
invented) (cd "$here/../.." && go test -count=1 -run TestAPageOfEverything ./cmd/bifrost/internal/reportpage \
	-args -page "$work/report.html") ;;
*) cp "$1" "$work/report.html" ;;
esac

python3 "$here/accessibility.py" "$chromium" "$work/report.html"

shoot() { # name, 0 for dark and 1 for light, width, height, page
	"$chromium" --headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --disable-background-networking \
		--disable-component-update --disable-sync --user-data-dir="$work/profile-$2" \
		--blink-settings=preferredColorScheme="$2" --window-size="$3,$4" --screenshot="$to/$1" \
		"file://$work/$5" 2>"$work/chromium.log" || { cat "$work/chromium.log" >&2; exit 1; }
	test -s "$to/$1" || { echo "$1 was not written" >&2; exit 1; }
}
shoot report.png 1 1280 1000 report.html
shoot report-dark.png 0 1280 1000 report.html
if [ -n "${SHOTS:-}" ]; then
	# Chromium has no window below 500 pixels: what is narrower is shown in a frame.
	printf '%s<iframe src="report.html" style="border:0;width:390px;height:2600px"></iframe>' \
		'<!DOCTYPE html><body style="margin:0">' >"$work/phone.html"
	shoot report-phone.png 1 500 2600 phone.html
	shoot report-wide.png 1 2200 1400 report.html
	shoot report-whole.png 1 1280 3600 report.html
fi
