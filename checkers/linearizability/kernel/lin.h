/* The linearizability kernel: what it takes and what it answers.

   Everything is passed in plain arrays that the caller owns and that the kernel only reads.
   There is no global state: calls may run in parallel threads. No call can crash for want of
   memory; it answers LIN_UNKNOWN with the reason LIN_NO_MEMORY. The part between the two cffi
   marks is also the declaration that the Python side reads. */
#ifndef LIN_H
#define LIN_H

#include <stdint.h>

/* cffi begin */
enum { LIN_UNKNOWN = -1, LIN_ILLEGAL = 0, LIN_LEGAL = 1 };

/* Why a check ended. */
enum { LIN_DECIDED = 0, LIN_BUDGET = 1, LIN_ABORTED = 2, LIN_NO_MEMORY = 3, LIN_MALFORMED = 4 };

/* Registers hold one of `value_count` values; texts hold a string that can be appended to. */
enum { LIN_REGISTER = 0, LIN_TEXT = 1 };

/* LIN_UPDATE is compare-and-set (a -> b) of a register and append (a) of a text. */
enum { LIN_READ = 0, LIN_WRITE = 1, LIN_UPDATE = 2 };

/* LIN_REJECTED: a compare-and-set that returned and saw that the state was not `a`.
   LIN_OPEN: no answer is known; the operation may take effect at any time after its call. */
enum { LIN_RETURNED = 0, LIN_REJECTED = 1, LIN_OPEN = 2 };

/* Rules of the search; each can be left out, none changes a verdict. */
enum {
    LIN_FINGERPRINT = 1, LIN_EAGER = 2, LIN_SYMMETRY = 4, LIN_BLOCKED = 8, LIN_LOOKAHEAD = 16,
    LIN_DEADLINE_FIRST = 32, LIN_LAZY_OPEN = 64, LIN_DOMINANCE = 128, LIN_RELAX = 256,
    LIN_ALL_RULES = 511
};

typedef struct {
    int32_t key;      /* 0 .. key_count - 1 */
    int32_t a, b;     /* value ids; b only for compare-and-set */
    uint8_t function; /* LIN_READ, LIN_WRITE, LIN_UPDATE */
    uint8_t outcome;  /* LIN_RETURNED, LIN_REJECTED, LIN_OPEN */
    uint16_t unused;
} lin_operation;

typedef struct {
    int32_t model, initial; /* `initial` is the value id that every key starts with */
    int32_t operation_count, event_count, key_count, value_count;
    const lin_operation *operations; /* in the order of their calls */
    const int32_t *events;           /* in real time: 2 * operation, plus 1 for its return */
    const uint8_t *text;             /* LIN_TEXT: the bytes of all values, one after another */
    const int64_t *text_start;       /* LIN_TEXT: value_count + 1 offsets into `text` */
} lin_problem;

typedef struct {
    uint32_t rules;
    int32_t patience;     /* configurations per operation before a key counts as hard */
    int64_t key_budget;   /* configurations that may be explored for one key */
    int64_t total_budget; /* and for all keys together */
    int64_t max_bytes;    /* memory that the call may hold at any time */
    const volatile int32_t *abort; /* polled; not zero: give up. May be NULL */
} lin_options;

typedef struct {
    int32_t verdict, reason;
    int32_t key;           /* illegal, or the first key left undecided; else -1 */
    int32_t operation;     /* illegal: the one whose return no explored order gets past */
    int32_t legal_before;  /* illegal: the history up to just before that return is surely legal */
    int32_t illegal_with;  /* and with that return it is surely illegal */
    int32_t state_count;   /* lin_frontier: states found */
    int64_t configurations, bytes; /* work done and the most memory held */
} lin_result;

/* Is every key linearizable? `order` may be NULL; else it has operation_count places, and a legal
   verdict fills it: the operations of key 0 in an order that explains them, then those of key 1...;
   places of operations that were left out hold -1. Returns the verdict. */
int lin_check(const lin_problem *problem, const lin_options *options, lin_result *result,
              int32_t *order);

/* All states that the key of `target` can be in just before `target` returns. For each state found
   a recipe is stored: the operations since (and with) the last write that lead to it; state i's
   recipe is recipes[ends[i - 1] .. ends[i]]. LIN_LEGAL: these are all; LIN_UNKNOWN: maybe more. */
int lin_frontier(const lin_problem *problem, const lin_options *options, int32_t target,
                 lin_result *result, int32_t *recipes, int32_t recipe_capacity, int32_t *ends,
                 int32_t state_capacity);
/* cffi end */

#endif
