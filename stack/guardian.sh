#!/bin/sh
# Ends the services of a stack once nobody holds the other end of its standard input: the kernel closes it
# whatever way the process that started them went, kill -9 included. A shell, because it costs 1 MB.
#
# Lines read:  guard PID SIGNAL     the process PID leads a group; SIGNAL ends it gracefully
#              discard DIRECTORY    to be removed after the services have ended
#              compose PROJECT      a Docker Compose project to stop
trap '' HUP INT TERM QUIT

# The start of a process tells it from a later one with the same id. Nothing is printed for one that ended.
started_at() {
  if [ -d /proc/self ]; then
    stat=''
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null
    [ -n "$stat" ] || return 0
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    [ "$1" = Z ] || echo "${20}"
  else
    LC_ALL=C ps -o lstart= -p "$1"
  fi
}

services=''
directories=''
projects=''
newline='
'
while read -r verb first second; do
  case $verb in
    guard) services="$services$first $second $(started_at "$first")$newline" ;;
    discard) directories="$directories$first$newline" ;;
    compose) projects="$projects$first$newline" ;;
  esac
done

# PostgreSQL's children lead groups of their own, so they are not reached through their parent's.
children_of() {
  if [ -d /proc/self ]; then
    for file in /proc/[0-9]*/stat; do
      stat=''
      { read -r stat <"$file"; } 2>/dev/null
      rest=${stat##*) ? }
      [ "${rest%% *}" = "$1" ] && echo "${stat%% *}"
    done
  else
    ps -A -o pid=,ppid= | while read -r pid parent; do
      [ "$parent" = "$1" ] && echo "$pid"
    done
  fi
}

each_running() {
  printf '%s' "$services" | while read -r pid signal start; do
    if [ -n "$start" ] && [ "$(started_at "$pid")" = "$start" ]; then
      case $1 in
        list) echo "$pid" ;;
        end)
          kill -s "$signal" -- "-$pid"
          # What is paused sees a signal only when it goes on, and a server waits for its paused children.
          kill -s CONT -- "-$pid"
          for child in $(children_of "$pid"); do kill -s CONT "$child"; done
          ;;
        kill)
          children=$(children_of "$pid")
          kill -s KILL -- "-$pid"
          for child in $children; do kill -s KILL "$child"; done
          ;;
      esac
    fi
  done 2>/dev/null
}

each_running end
tries=0
while [ -n "$(each_running list)" ] && [ "$tries" -lt 100 ]; do
  sleep 0.1
  tries=$((tries + 1))
done
each_running kill
printf '%s' "$projects" | while read -r project; do
  docker compose -p "$project" stop >/dev/null 2>&1
done
printf '%s' "$directories" | while read -r directory; do
  rm -rf -- "$directory"
done
