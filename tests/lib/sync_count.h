/* How often this process made a file durable. SQLite itself is asked nothing: a program that uses
 * this has an fsync() and an fdatasync() of its own in front of the C library's. */
#ifndef TESTS_LIB_SYNC_COUNT_H
#define TESTS_LIB_SYNC_COUNT_H

int sync_count(void);

#endif
