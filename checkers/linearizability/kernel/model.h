/* Models: what a state is and what an operation does to it.

   A state is three words that are copied by value, so a search can undo by assignment. What is in
   a container is kept beside it (container.h); the words are then a hash of it.

   Register: `x` is the value's number; the rest is 0.
   Counter: `x` is the sum, modulo 2^64.
   Text: a string stands for its polynomial hashes `x` and `y` modulo 2^61 - 1 to two bases, and
   its length. An append costs two multiplications however long the text is. Two different texts of
   one length have equal hashes with a probability below (length / 2^61)^2, far below that of a
   memory error; nothing here defends against texts that were chosen to collide.

   | model | function | is possible if | and then |
   |---|---|---|---|
   | register | READ a, WRITE a, UPDATE a b | it holds a; always; it holds a | -; holds a; holds b |
   | | UPDATE a b, rejected | it does not hold a | - |
   | text | READ a, WRITE a, UPDATE a | it is a; always; always | -; is a; a is appended |
   | counter | READ a, WRITE a, UPDATE a b | it is a; always; always | -; is a; a is added |
   | queue, stack, bag, priority queue | ADD a | always | a is in it |
   | | REMOVE a | a is the first, last, any, least one | it is gone |
   | | REMOVE -1, open | it is not empty | one is gone: the first, last, any, least |
   | | EMPTY, PEEK a | nothing is there; a is the first, last, any, least one | - |
   | set | ADD a, INSERT a | always; a is not there | a is there |
   | | DISCARD a, REMOVE a | always; a is there | a is not there |
   | | PEEK a, LACKS a, READ a | a is there; is not there; it is exactly a | - |

   `a` and `b` are value ids. A counter's UPDATE with b != -1 must make the sum b. Of values with
   equal priorities any may be the least. Containers start empty, the rest with `initial`. Every
   function without a "-" may be open; LIN_REMOVE in a set and LIN_INSERT may not, for the answer is
   part of them (LIN_DISCARD and LIN_ADD say less). */
#ifndef LIN_MODEL_H
#define LIN_MODEL_H

#include "lin.h"
#include "memory.h"

#define PRIME61 (((uint64_t)1 << 61) - 1)
#define BASE_X ((uint64_t)0x0f3a95c1d27b4e68)
#define BASE_Y ((uint64_t)0x1b64e02d98c7f153)
#define NEVER INT32_MAX

typedef struct {
    uint64_t x, y;
    int64_t length;
} state;

typedef struct {
    uint64_t x, y, power_x, power_y; /* hashes; of arguments, the bases to the power of `length` */
    int64_t length;
    int64_t prefixes; /* where the hashes of its prefixes 0 .. length begin, or -1; see texts.h */
} text_value;

typedef struct {
    int32_t a, b;
    int32_t call, ret; /* positions among the key's events; ret is NEVER when open */
    int32_t twin;      /* operations with one number do the same */
    uint8_t function, outcome;
} operation;

/* A bijection that scatters its argument (the finalizer of splitmix64, by Vigna, public domain). */
static inline uint64_t scatter(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline uint64_t add61(uint64_t a, uint64_t b)
{
    uint64_t sum = a + b;
    return sum >= PRIME61 ? sum - PRIME61 : sum;
}

static inline uint64_t times61(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return add61((uint64_t)(product & PRIME61), (uint64_t)(product >> 61));
#else
    /* a = ah 2^31 + al and so b; 2^62 = 2, and the middle part m 2^31 = (m >> 30) + (m low) 2^31 */
    uint64_t ah = a >> 31, al = a & 0x7fffffff, bh = b >> 31, bl = b & 0x7fffffff;
    uint64_t middle = ah * bl + al * bh;
    uint64_t sum = 2 * ah * bh % PRIME61 + (middle >> 30);
    sum = (sum + ((middle & 0x3fffffff) << 31)) % PRIME61;
    return (sum + al * bl % PRIME61) % PRIME61;
#endif
}

/* `base` to the power of `exponent`. */
static uint64_t power61(uint64_t base, int64_t exponent)
{
    uint64_t power = 1;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1) power = times61(power, base);
        base = times61(base, base);
    }
    return power;
}

/* Hashes a text of which the first `from` bytes are hashed in `x` and `y`; the hashes of longer
   prefixes go to `prefixes`, if given, where each has the place of its length. */
static void hash_text(text_value *v, const uint8_t *bytes, int64_t from, uint64_t *prefixes)
{
    uint64_t x = from ? v->x : 0, y = from ? v->y : 0;
    if (prefixes) prefixes[from] = x;
    for (int64_t i = from; i < v->length; i++) {
        uint64_t letter = (uint64_t)bytes[i] + 1;
        x = add61(times61(x, BASE_X), letter);
        y = add61(times61(y, BASE_Y), letter);
        if (prefixes) prefixes[i + 1] = x;
    }
    v->x = x;
    v->y = y;
}

/* An operation is pure if it changes no state in which it is legal. */
static inline bool is_pure(const operation *o)
{
    enum {
        PURE = 1 << LIN_READ | 1 << LIN_EMPTY | 1 << LIN_PEEK | 1 << LIN_LACKS
    };
    return (PURE >> o->function & 1) || o->outcome == LIN_REJECTED;
}

static inline bool is_container(int32_t model)
{
    return model >= LIN_QUEUE && model <= LIN_SET;
}

/* Which functions a model has, and which of them may be open, as sets of bits. */
static inline uint32_t functions_of(int32_t model, bool open)
{
    const uint32_t scalar = 1 << LIN_READ | 1 << LIN_WRITE | 1 << LIN_UPDATE;
    const uint32_t items = 1 << LIN_ADD | 1 << LIN_REMOVE, tests = 1 << LIN_EMPTY | 1 << LIN_PEEK;
    const uint32_t set = 1 << LIN_ADD | 1 << LIN_DISCARD;
    if (!is_container(model)) return scalar;
    if (model != LIN_SET) return open ? items : items | tests;
    return open ? set
                : set | 1 << LIN_INSERT | 1 << LIN_REMOVE | 1 << LIN_PEEK | 1 << LIN_LACKS
                      | 1 << LIN_READ;
}

/* The following apply `o` to `*s`; false: not legal there, and `*s` is unchanged. An open
   compare-and-set is only ever applied where it takes effect; where it does not it might as well be
   left out. */
static inline bool step_register(const operation *o, state *s)
{
    uint64_t a = (uint64_t)o->a;
    switch (o->function) {
    case LIN_READ: return s->x == a;
    case LIN_WRITE: s->x = a; return true;
    default:
        if (o->outcome == LIN_REJECTED) return s->x != a;
        if (s->x != a) return false;
        s->x = (uint64_t)o->b;
        return true;
    }
}

static inline bool step_text(const operation *o, const text_value *texts, state *s)
{
    const text_value *v = &texts[o->a];
    switch (o->function) {
    case LIN_READ: return s->x == v->x && s->y == v->y && s->length == v->length;
    case LIN_WRITE: *s = (state){v->x, v->y, v->length}; return true;
    default:
        s->x = add61(times61(s->x, v->power_x), v->x);
        s->y = add61(times61(s->y, v->power_y), v->y);
        s->length += v->length;
        return true;
    }
}

static inline bool step_counter(const operation *o, const int64_t *numbers, state *s)
{
    uint64_t a = (uint64_t)numbers[o->a];
    switch (o->function) {
    case LIN_READ: return s->x == a;
    case LIN_WRITE: s->x = a; return true;
    default:
        if (o->b >= 0 && s->x + a != (uint64_t)numbers[o->b]) return false;
        s->x += a;
        return true;
    }
}

static inline bool same_state(const state *a, const state *b)
{
    return a->x == b->x && a->y == b->y && a->length == b->length;
}

/* Can appending turn the text `s` into `whole`? Exact answers "no"; a "yes" may be wrong. */
static inline bool may_be_prefix(uint64_t x, int64_t length, const text_value *whole,
                                 const uint64_t *prefixes)
{
    return length <= whole->length && prefixes[whole->prefixes + length] == x;
}

/* Can `part` be found in `whole`? Exact answers "no"; a "yes" may be wrong. */
static bool may_contain(const text_value *whole, const text_value *part, const uint64_t *prefixes)
{
    const uint64_t *hash = prefixes + whole->prefixes;
    for (int64_t i = 0; i + part->length <= whole->length; i++)
        if (add61(times61(hash[i], part->power_x), part->x) == hash[i + part->length]) return true;
    return false;
}

#endif
