# SPDX-License-Identifier: Apache-2.0
#
# Reads C files and prints what breaks the rules that a line can show:
# function length, file length, banned calls, copies that nobody counts.
# Comments and strings are taken out first. A function that is rightly long
# carries a comment with `lint: long` and the reason, before or in it.
#
# The style makes this simple: a function's body begins with a `{` and ends with
# a `}` that stand alone in the first column.

function complain(line, text) {
    printf "%s:%d: %s\n", FILENAME, line, text
}

function file_length_ok() {
    if (name ~ /\.h$/ && name !~ /common\/crew\.h$/ && lines > 400)
        printf "%s: %d lines; a header has at most 400\n", name, lines
    if (name ~ /\.c$/ && lines > 800)
        printf "%s: %d lines; a file has at most 800\n", name, lines
}

# The line without comments, strings and characters; in_comment lives on.
function strip(s,    out, two) {
    out = ""
    while (s != "") {
        two = substr(s, 1, 2)
        if (in_comment) {
            if (two == "*/") {
                in_comment = 0
                s = substr(s, 3)
            } else {
                s = substr(s, 2)
            }
        } else if (two == "/*") {
            in_comment = 1
            s = substr(s, 3)
        } else if (two == "//") {
            break
        } else if (match(s, /^"([^"\\]|\\.)*"/)) {
            out = out "\"\""
            s = substr(s, RLENGTH + 1)
        } else if (match(s, /^'([^'\\]|\\.)*'/)) {
            out = out "0"
            s = substr(s, RLENGTH + 1)
        } else {
            out = out substr(s, 1, 1)
            s = substr(s, 2)
        }
    }
    return out
}

FNR == 1 {
    if (name != "")
        file_length_ok()
    name = FILENAME
    in_comment = 0
    begin = 0
    waived = -100
    counted = FILENAME ~ /^(common\/rpc|common\/cluster|ps)\// && \
              FILENAME !~ /^common\/rpc\/copy\.c$/
}

{ lines = FNR }

/lint: long [^ ]/ { waived = FNR }

{ code = strip($0) }

/^{$/ { begin = FNR }

/^}/ && begin {
    if (FNR - begin > 60 && waived < begin - 12)
        complain(begin, "a function of " FNR - begin \
                 " lines; split it (at most 60)")
    begin = 0
}

code ~ /(^|[^A-Za-z0-9_])(strcpy|strcat|strncpy|sprintf|vsprintf|strtok|gmtime|localtime|ctime|asctime|mktemp|tmpnam|atoi|atol|atof|rand|srand|gets|alloca|system) *\(/ &&
FILENAME !~ /base\/banned\.h$/ {
    complain(FNR, "a banned call (base/banned.h says what to use): " code)
}

counted && code ~ /(^|[^A-Za-z0-9_])(memcpy|memmove) *\(/ {
    complain(FNR, "copies of bytes go through rpc_copy() here")
}

END {
    if (name != "")
        file_length_ok()
}
