#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian packages that Traincrew needs; only those that are
# missing, so that a second run does nothing.
#
# Usage: deploy/install-packages.sh GROUP...
#   build   compiler, CMake and the libraries' development files
#   run     what the installed programs need
#   data    Fashion-MNIST, the tutorial's data set
#   test    what the tests, the lint and the second compiler need
#
# Works as root, or as a user with sudo.
set -euo pipefail

packages_of() {
    case $1 in
        build) echo gcc libc6-dev make cmake pkg-config protobuf-c-compiler \
            libprotobuf-c-dev libuv1-dev libcjson-dev zlib1g-dev \
            libsnappy-dev ;;
        run) echo libprotobuf-c1 libuv1 libcjson1 zlib1g libsnappy1v5 \
            libopenblas0-pthread ;;
        data) echo dataset-fashion-mnist ;;
        test) echo g++ clang clang-tidy clang-format shellcheck check \
            procps ;;
        *)
            echo "install-packages.sh: unknown group '$1'; there are" \
                "build, run, data, test" >&2
            exit 64
            ;;
    esac
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif command -v sudo >/dev/null; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        echo "install-packages.sh: run as root, or install sudo, to run:" \
            "$*" >&2
        exit 77
    fi
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_missing() {
    as_root apt-get install -y -qq --no-install-recommends "$@" 2>&1
}

main() {
    if [ $# -eq 0 ]; then
        sed -n '3,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2
        exit 64
    fi
    if ! command -v apt-get >/dev/null; then
        echo "install-packages.sh: no apt-get here: this script is for" \
            "Debian 12 and its kin" >&2
        exit 78
    fi
    local group package groups_packages output missing=()
    for group in "$@"; do
        groups_packages=$(packages_of "$group")
        for package in $groups_packages; do
            installed "$package" || missing+=("$package")
        done
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    echo "Installing ${missing[*]}"
    # A fresh machine has no package lists; an old one has stale ones.
    if ! install_missing "${missing[@]}" >/dev/null; then
        as_root apt-get update -qq
        if ! output=$(install_missing "${missing[@]}"); then
            printf '%s\n' "$output" >&2
            exit 1
        fi
    fi
}

main "$@"
