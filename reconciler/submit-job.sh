#!/usr/bin/env bash
# Written by flinkd: waits until the JobManager answers, then runs 'flink run' with the
# arguments given. Needs bash and Flink, nothing else, and writes only to its output and to the
# termination log.
#
#   FLINK_JM_ADDR  host:port of the JobManager's REST API
#   FLINK_JOB_ID   the id that the job shall have, so that Flink refuses to run it twice;
#                  unset: Flink makes one up
#
# The termination log is YAML: "jobID", and "message" with the reason and the last lines of the
# output.
set -uo pipefail

flink=${FLINK_HOME:-/opt/flink}/bin/flink
termination_log=${FLINKD_TERMINATION_LOG:-/dev/termination-log}
wait_seconds=${FLINKD_WAIT_SECONDS:-600}
wanted_id=${FLINK_JOB_ID:-}
job_id=""
duplicate=""
cause=""
lines=()

# Up to 2000 bytes of the last lines.
last_lines() {
    local LC_ALL=C size=0 from=${#lines[@]}
    while ((from > 0)); do
        size=$((size + ${#lines[from - 1]} + 3))
        if ((size > 2000)); then break; fi
        from=$((from - 1))
    done
    for ((; from < ${#lines[@]}; from++)); do
        printf '  %s\n' "${lines[from]}"
    done
}

# finish STATUS TEXT: the outcome, for people and for flinkd
finish() {
    printf '%s\n' "$2"
    {
        if [[ -n $job_id ]]; then printf 'jobID: %s\n' "$job_id"; fi
        printf 'message: |\n  %s\n' "$2"
        last_lines
    } 2>/dev/null >"$termination_log"
    exit "$1"
}

# The first line of the answer to GET /overview.
status_line() {
    local line=""
    exec 3<>"/dev/tcp/${FLINK_JM_ADDR%:*}/${FLINK_JM_ADDR##*:}" || return
    printf 'GET /overview HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$FLINK_JM_ADDR" >&3
    IFS= read -r -t 5 line <&3 && printf '%s\n' "$line"
    # to its end, or the server sees a broken connection
    while IFS= read -r -t 1 line <&3; do :; done
}

# 200: there is a leader to submit to. With TLS or a proxy the answer is something else, but no
# error of the server.
is_answering() {
    local line=""
    IFS= read -r -t 3 line < <(status_line 2>/dev/null) || kill "${!:-}" 2>/dev/null
    [[ $line == HTTP/1.?" "[23]* || $line == HTTP/1.?" "40[13]* ]]
}

wait_for_jobmanager() {
    until is_answering; do
        if ((SECONDS >= wait_seconds)); then return 1; fi
        read -r -t 0.2 <> <(:) # nothing ever comes: a pause without 'sleep'
    done
    return 0
}

# note LINE: remember what the outcome is made of; the frames of a stack trace are not
note() {
    if [[ $1 =~ "Job has been submitted with JobID "([0-9a-f]{32}) ]]; then
        if [[ -z $job_id ]]; then job_id=${BASH_REMATCH[1]}; fi
    elif [[ $1 == *DuplicateJobSubmissionException* ]]; then
        duplicate=yes
    elif [[ $1 =~ ^"Caused by: "(.*) ]]; then
        cause=${BASH_REMATCH[1]:0:400}
    fi
    if [[ -n $1 && ! $1 =~ ^[[:space:]]+(at |\.\.\. [0-9]+ more) ]]; then
        lines+=("${1:0:400}")
    fi
    if ((${#lines[@]} > 200)); then lines=("${lines[@]:100}"); fi
}

submit() {
    local line end="end-of-output-$RANDOM$RANDOM$RANDOM" options=(run)
    if [[ -n $wanted_id ]]; then options+=("-D\$internal.pipeline.job-id=$wanted_id"); fi
    while IFS= read -r line || [[ -n $line ]]; do
        if [[ $line == *"$end "* ]]; then
            code=${line##* }
            line=${line%"$end "*}
            if [[ -z $line ]]; then continue; fi
        fi
        printf '%s\n' "$line"
        note "$line"
    done < <(
        "$flink" "${options[@]}" "$@" 2>&1
        printf '%s %d\n' "$end" "$?"
    )
}

trap 'finish 143 "The submitter was told to stop (SIGTERM)."' TERM

printf 'Waiting for the JobManager at %s\n' "$FLINK_JM_ADDR"
if ! wait_for_jobmanager; then
    finish 1 "Aborted: no answer of the JobManager at $FLINK_JM_ADDR within $wait_seconds s."
fi
printf 'The JobManager answers after %d s. Submitting the job.\n' "$SECONDS"

code=1
submit "$@"

if [[ -n $duplicate && -n $wanted_id && -z $job_id ]]; then
    job_id=$wanted_id
    finish 0 "The job had been submitted before."
elif [[ -n $duplicate && $job_id == "$wanted_id" && -n $job_id ]]; then
    finish "$code" "The program submits more than one job. They can't all have the id that was \
chosen for the first, so Flink refused the next. Let Flink choose the ids: set \
'\$internal.pipeline.job-id' to \"\" in spec.flinkProperties."
elif [[ -z $job_id && $code == 0 ]]; then
    finish 1 "The program ended without submitting a job: it doesn't execute a pipeline."
elif [[ -z $job_id ]]; then
    finish 1 "Failed to submit the job (exit status $code).${cause:+ $cause}"
elif [[ $code != 0 ]]; then
    finish "$code" "The job was submitted; 'flink run' ended with status $code.${cause:+ $cause}"
fi
finish 0 "Successfully submitted!"
