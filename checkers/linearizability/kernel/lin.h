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

/* What an object is; model.h says what the operations of each do. */
enum {
    LIN_REGISTER = 0, LIN_TEXT = 1, LIN_QUEUE = 2, LIN_STACK = 3, LIN_BAG = 4,
    LIN_PRIORITY_QUEUE = 5, LIN_SET = 6, LIN_COUNTER = 7, LIN_MODELS = 8
};
enum {
    LIN_READ = 0, LIN_WRITE = 1, LIN_UPDATE = 2, LIN_ADD = 3, LIN_REMOVE = 4, LIN_EMPTY = 5,
    LIN_PEEK = 6, LIN_LACKS = 7, LIN_INSERT = 8, LIN_DISCARD = 9, LIN_FUNCTIONS = 10
};

/* LIN_REJECTED: a compare-and-set that returned and saw that the state was not `a`.
   LIN_OPEN: no answer is known; the operation may take effect at any time after its call. */
enum { LIN_RETURNED = 0, LIN_REJECTED = 1, LIN_OPEN = 2 };

/* Rules; each can be left out, none changes a verdict. LIN_UNIQUE: decide without a search where
   no value is written twice. */
enum {
    LIN_FINGERPRINT = 1, LIN_EAGER = 2, LIN_SYMMETRY = 4, LIN_BLOCKED = 8, LIN_LOOKAHEAD = 16,
    LIN_DEADLINE_FIRST = 32, LIN_LAZY_OPEN = 64, LIN_DOMINANCE = 128, LIN_RELAX = 256,
    LIN_UNIQUE = 512, LIN_ALL_RULES = 1023
};

/* What decided: the search, or the algorithm for values that are written once. */
enum { LIN_BY_SEARCH = 0, LIN_BY_UNIQUE = 1 };

/* A witness names so many operations at most. */
enum { LIN_WITNESS = 16 };

typedef struct {
    int32_t key;      /* 0 .. key_count - 1 */
    int32_t a, b;     /* value ids, see model.h */
    uint8_t function; /* LIN_READ ... */
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
    const int64_t *numbers; /* LIN_COUNTER: the values; LIN_PRIORITY_QUEUE: their priorities */
    const int32_t *items;   /* LIN_SET: the elements of all sets that were read, as value ids */
    const int64_t *item_start; /* LIN_SET: value_count + 1 offsets into `items` */
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
    int32_t method;        /* what decided `key`, if illegal; else what decided all of them */
    int32_t witness_count; /* illegal without a search: operations that are to blame; */
    int32_t witness[16];   /* (LIN_WITNESS) if they are more, some of them */
    int32_t state_count;   /* lin_frontier: states found */
    int64_t configurations, bytes; /* work done, in configurations, and the most memory held */
} lin_result;

/* Is every key linearizable? `order` may be NULL; else it has operation_count places, and a legal
   verdict fills it: the operations of key 0 in an order that explains them, then those of key 1...;
   places of operations that were left out hold -1, at the end of each key. Returns the verdict. */
int lin_check(const lin_problem *problem, const lin_options *options, lin_result *result,
              int32_t *order);

/* All states that the key of `target` can be in just before `target` returns. For each state found
   a recipe is stored: the operations since (and with) the last write that lead to it; state i's
   recipe is recipes[ends[i - 1] .. ends[i]]. Containers and counters: all operations that are not
   pure. LIN_LEGAL: these are all states; LIN_UNKNOWN: maybe there are more. */
int lin_frontier(const lin_problem *problem, const lin_options *options, int32_t target,
                 lin_result *result, int32_t *recipes, int32_t recipe_capacity, int32_t *ends,
                 int32_t state_capacity);
/* cffi end */

#endif
