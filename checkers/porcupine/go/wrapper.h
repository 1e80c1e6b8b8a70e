/* What the Go library exports, written down once: Go includes this file, and the worker gives the
 * part between the marks to cffi. Whoever changes it raises PORCUPINE_INTERFACE, so that a library
 * built from an older version is told apart. */
#ifndef SPLITBRAIN_PORCUPINE_WRAPPER_H
#define SPLITBRAIN_PORCUPINE_WRAPPER_H

#include <stdint.h>

/* cffi begin */
enum { PORCUPINE_INTERFACE = 1 };
enum { PORCUPINE_REGISTER = 0, PORCUPINE_TEXT = 1 };
enum { PORCUPINE_READ = 0, PORCUPINE_WRITE = 1, PORCUPINE_UPDATE = 2 };
enum { PORCUPINE_RETURNED = 0, PORCUPINE_REJECTED = 1, PORCUPINE_OPEN = 2 };
enum {
    PORCUPINE_UNKNOWN = 0, PORCUPINE_LEGAL = 1, PORCUPINE_ILLEGAL = 2, PORCUPINE_MALFORMED = 3
};

/* One operation on the object `key`. `a` and `b` are values of a register, or `a` is the number of
 * a text. `called` and `returned` are moments; an open operation returns at INT64_MAX. */
typedef struct {
    int64_t called, returned;
    int32_t key, a, b;
    uint8_t function, outcome;
    uint16_t unused;
} porcupine_operation;

/* `text` holds the texts one after another, and `text_start` where each begins and the last ends.
 * `timeout_ns` 0 means none; `collect` asks for a garbage collection before the clock starts. */
typedef struct {
    int32_t model, initial, key_count, text_count, collect;
    int64_t timeout_ns, operation_count;
    const porcupine_operation *operations;
    const char *text;
    const int64_t *text_start;
} porcupine_request;

/* `elapsed_ns` is the time of Porcupine's own function, without that of reading the arrays. */
typedef struct {
    int32_t verdict;
    int64_t elapsed_ns;
} porcupine_result;
/* cffi end */

#endif
