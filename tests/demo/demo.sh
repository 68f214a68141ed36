#!/usr/bin/env bash
# The whole way once, on a cluster of its own: remember, ingest, dream, review, adopt.
# Needs `reverie` and `reverie-scenario` on the PATH (`make demo` sees to that). Run it as often as you like.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=target/demo
started=$(date +%s)

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' plain=$'\e[0m'; else bold= dim= green= plain=; fi
step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
say() { printf '%s%s%s\n' "$dim" "$*" "$plain"; }
# Shows a command as a person would type it, then runs it.
run() {
    printf '%s$' "$green"
    if [ "$1" = as_agent ]; then printf ' REVERIE_TOKEN=$token'; fi
    for word in "$@"; do
        [ "$word" = as_agent ] && continue
        case $word in
            *[!A-Za-z0-9_./:=@,+-]*) printf " '%s'" "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '%s\n' "$plain"
    "$@"
}
# The same for a command that must be refused.
refused() {
    if run "$@"; then
        echo "this should have been refused" >&2
        exit 1
    fi
}

rm -rf "$work"
mkdir -p "$work"

step "1. A cluster: memory-store, transcript-ingest and dream-orchestrator, each with its own database"
reverie up --data "$work/data" --port-base 0 >"$work/up.log" 2>&1 &
cluster=$!
trap 'kill "$cluster" 2>/dev/null; wait "$cluster" 2>/dev/null || true' EXIT
for _ in $(seq 200); do
    [ -s "$work/data/up.json" ] && break
    kill -0 "$cluster" 2>/dev/null || { cat "$work/up.log"; exit 1; }
    sleep 0.05
done
[ -s "$work/data/up.json" ] || { cat "$work/up.log"; exit 1; }
REVERIE_URL=$(sed -n 's/.*"base": *"\([^"]*\)".*/\1/p' "$work/data/up.json")
export REVERIE_URL REVERIE_TOKEN_FILE="$work/data/admin.token"
run reverie whoami

step "2. Memory: a handbook for the whole organisation, and the notes of one team"
run reverie store create org-handbook --name "Organisation handbook"
run reverie store create team-sre --name "Team SRE"
run reverie store create airline-desk --name "Airline service desk"
run reverie write org-handbook:/ --recursive tests/demo/org -m "The handbook as of November"
run reverie write team-sre:/ --recursive tests/demo/team -m "Notes of the team"
run reverie tree team-sre:/

step "3. An agent gets one token: it may read the handbook, and read and write the team's notes"
token=$(reverie attach --agent pager-a --read-only org-handbook --read-write team-sre --quiet)
say "(\$token holds what 'reverie attach --agent pager-a --read-only org-handbook --read-write team-sre' printed)"
as_agent() { REVERIE_TOKEN="$token" "$@"; }
run as_agent reverie cat org-handbook:/slo-policy.md
run as_agent reverie write team-sre:/shift.md --text "On shift: pager-a." -m "Start of shift"
say "The handbook is read-only for it:"
refused as_agent reverie write org-handbook:/slo-policy.md --text "Anything goes." -m "Relax"

step "4. Two writers, one memory: the second is refused, and shown the current text"
base=$(reverie sha256 team-sre:/shift.md)
run reverie write team-sre:/shift.md --text "On shift: pager-a, then pager-b." --if-sha256 "$base" -m "Plan the handover"
refused as_agent reverie write team-sre:/shift.md --text "On shift: nobody." --if-sha256 "$base" -m "From what it read before"

step "5. Sessions: 24 on-call triages by four agents, and real ones of an airline's service desk (tau-bench, MIT)"
reverie-scenario --seed 7 --sessions 24 --out "$work/sessions"
for agent in pager-a pager-b capacity-bot deploy-guard; do
    run reverie session import "$work/sessions/$agent" --agent "$agent" --label team=sre --attach team-sre
done
run reverie session import tests/fixtures/tau_bench --label desk=airline --attach airline-desk

step "6. A dream of the team's store: what no single agent saw"
run reverie dream create team-sre --attached --wait --id-file "$work/dream"
dream=$(cat "$work/dream")
run reverie dream diff "$dream"

step "7. A dream of the service desk's store, from real sessions: what the successes did and the failures did not"
run reverie dream create airline-desk --attached --wait --id-file "$work/dream-airline"
run reverie dream show "$(cat "$work/dream-airline")"

step "8. Adopt: one commit, by a person, merged three ways over what was written meanwhile"
run as_agent reverie write team-sre:/shift.md --text "On shift: pager-b." -m "Written while the dream waited for review"
run reverie dream adopt "$dream" -m "Adopted after review"
run reverie log team-sre -n 3
run reverie cat team-sre:/INDEX.md

step "9. Whose line is this? From a line of memory back to the events that prove it"
run reverie blame team-sre:/checkout-db.md
note=$(reverie grep "after about 60 s" "team-sre:/patterns/**" --files | head -1)
run reverie blame "$note" --evidence

printf '\n%sThat was the whole way, in %s s.%s Next: README.md, or keep it running with: reverie up\n' "$bold" "$(($(date +%s) - started))" "$plain"
