/* SPDX-License-Identifier: Apache-2.0
 * crew records parse: a file of Examples through parse_example. */
#ifndef CLI_RECORDS_PARSE_H
#define CLI_RECORDS_PARSE_H

/* argv[0] is "parse"; the process's exit code. */
int records_parse(int argc, char **argv);

#endif
