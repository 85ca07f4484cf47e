#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The rules of CONTRIBUTING.md that a script can check.
#
# Usage: tests/lint.sh [--tidy [FILE...] | --format]
#   (nothing)  length of functions and files, banned calls, uncounted copies,
#              direction of includes, the contents of crew.h, headers of
#              files, foreign paths, shell scripts (with shellcheck), layout
#              (with clang-format)
#   --tidy     clang-tidy over everything that build/compile_commands.json
#              names, or these files of it; slow, so not part of the rest
#   --format   lay all C files out as .clang-format says
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

problems=0

# check WHAT COMMAND...: what the command prints are problems.
check() {
    local what=$1 text
    shift
    text=$("$@")
    if [ -n "$text" ]; then
        printf '%s\n%s\n' "-- $what" "$text"
        problems=$((problems + $(printf '%s\n' "$text" | wc -l)))
    fi
}

# The project's own files: what git knows or would add; all where git is not.
files() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files --cached --others --exclude-standard -- "$@"
    else
        local pattern arguments=()
        for pattern in "$@"; do
            arguments+=(-o -path "./$pattern")
        done
        find . \( -path './build*' -o -path ./runs -o -path ./.git \) -prune \
            -o -type f \( "${arguments[@]:1}" \) -print | sed 's|^\./||'
    fi | sort -u | while IFS= read -r file; do
        if [ -f "$file" ]; then
            printf '%s\n' "$file"
        fi
    done
}

# includes_of FOLDER ALLOWED...: includes of other folders than the allowed.
wrong_includes() {
    local folder=$1
    shift
    local allowed
    allowed="proto|${folder#common/}"
    local name
    for name in "$@"; do
        allowed+="|$name"
    done
    grep -HnE '^ *# *include "[a-z_]+/' "$folder"/*.[ch] 2>/dev/null |
        grep -vE "include \"($allowed)/" || true
}

# The rows of layers, as common/CMakeLists.txt has them: a folder may use the
# earlier rows and what stands left of it.
include_direction() {
    local row layer below=()
    while read -r row; do
        for layer in $row; do
            wrong_includes "common/$layer" "${below[@]}"
            below+=("$layer")
        done
    done < <(sed -n 's/^set(row[0-9] \(.*\))$/\1/p' common/CMakeLists.txt)
    wrong_includes ps base config tensor io optim checkpoint rpc
}

lengths_and_calls() {
    c_files | tr '\n' '\0' | xargs -0 awk -f tests/lint.awk
}

# The list at the head of crew.h names its sections, in their order.
contents_of_crew_h() {
    diff <(sed -n '/^ \* Contents/,/^ \*$/s/^ \*   \(.*[^ ]\)   *[^ ].*/\1/p' \
        common/crew.h) \
        <(sed -n 's|^/\* -----* \(.*\) \*/$|\1|p' common/crew.h) |
        sed -n 's/^[<>]/common\/crew.h: the list or a section:/p'
}

missing_spdx() {
    local file
    while IFS= read -r file; do
        if ! head -n 3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0'
        then
            echo "$file: the first line is not the licence's SPDX line"
        fi
    done < <(files '*.c' '*.h' '*.sh' '*.proto')
}

missing_ban() {
    local file
    while IFS= read -r file; do
        grep -q 'include "base/banned.h"' "$file" ||
            echo "$file: its includes do not end with base/banned.h"
    done < <(files 'common/*.c' 'ps/*.c' 'worker/*.c' 'chief/*.c' \
        'evaluator/*.c' 'cli/*.c')
}

# Paths of somebody's machine have no place in a project.
foreign_paths() {
    files '*' | grep -v '^tests/golden/' | tr '\n' '\0' |
        xargs -0 grep -nIE '(^|[^A-Za-z0-9_.})/])/(home|root|Users|work|mnt)/[A-Za-z.]' ||
        true
}

check_shell() {
    if command -v shellcheck >/dev/null; then
        files '*.sh' '.ci/run' | tr '\n' '\0' | xargs -0 shellcheck -f gcc || true
    else
        echo "skipped: shellcheck is not installed" >&2
    fi
}

c_files() {
    files '*.c' '*.h' '*.cc'
}

# clang-format 14, Debian 12's: other releases lay out differently.
format_tool() {
    local tool
    for tool in clang-format-14 clang-format; do
        if command -v "$tool" >/dev/null &&
            "$tool" --version | grep -q 'version 14\.'; then
            echo "$tool"
            return
        fi
    done
}

check_format() {
    local tool
    tool=$(format_tool)
    if [ -z "$tool" ]; then
        echo "skipped: clang-format 14 is not installed" >&2
        return
    fi
    c_files | tr '\n' '\0' |
        { xargs -0 -n 40 -P "$(nproc)" "$tool" --style=file --dry-run 2>&1 ||
            true; } |
        sed -n 's/^\([^: ]*\):[0-9]*:.*clang-format.*/\1: tests\/lint.sh --format lays it out/p' |
        sort -u
}

format_all() {
    local tool
    tool=$(format_tool)
    if [ -z "$tool" ]; then
        echo "lint.sh: install clang-format (version 14)" >&2
        exit 69
    fi
    c_files | tr '\n' '\0' | xargs -0 "$tool" --style=file -i
}

# tidy [FILE...]
tidy() {
    if ! command -v clang-tidy >/dev/null; then
        echo "skipped: clang-tidy is not installed"
        return
    fi
    if [ ! -f build/compile_commands.json ]; then
        echo "lint.sh: build first: cmake --preset dev" >&2
        exit 78
    fi
    if [ $# -eq 0 ]; then
        set -- 'common/*.c' 'ps/*.c' 'worker/*.c' 'chief/*.c' 'evaluator/*.c' \
            'cli/*.c' 'examples/*.c'
    fi
    files "$@" | tr '\n' '\0' |
        xargs -0 -n 4 -P "$(nproc)" clang-tidy -p build --quiet \
            --warnings-as-errors='*,-clang-analyzer-*' 2>/dev/null
}

main() {
    case ${1-} in
        '') ;;
        --tidy)
            shift
            tidy "$@"
            return
            ;;
        --format)
            format_all
            return
            ;;
        *)
            echo "lint.sh: unknown option '$1'; there are --tidy, --format" >&2
            exit 64
            ;;
    esac
    check "lengths and calls" lengths_and_calls
    check "direction of includes" include_direction
    check "contents of crew.h" contents_of_crew_h
    check "licence" missing_spdx
    check "banned.h" missing_ban
    check "foreign paths" foreign_paths
    check "shellcheck" check_shell
    check "layout" check_format
    if [ "$problems" -gt 0 ]; then
        echo "lint: $problems problems"
        exit 1
    fi
    echo "lint: nothing to complain about"
}

main "$@"
