/* The configurations that were seen: (lifted operations, state), so that none is explored twice.

   Rule LIN_FINGERPRINT. The set of lifted operations is the exclusive or of two 64-bit words per
   operation (Zobrist 1970), kept up to date by lift and lower, so a configuration costs 24 bytes
   and no time that depends on the length of the history. Two different configurations share a
   fingerprint with probability 2^-128; a pair among k of them with less than k^2 / 2^129, which
   for a thousand million configurations is 10^-21. A clash could turn legal into illegal, never
   the reverse. Without the rule the set is stored as bits and compared in full.

   Rule LIN_DOMINANCE: open operations of a register are counted per class (open.h), and the same
   (lifted, state) was perhaps seen with other counts. A visit that had used no more of any class
   could do all that this one can, so this one is covered: visits are kept as a list of count
   vectors, of which none needs to cover the rest. Classes whose target nothing needs any more are
   left out; which those are depends on the lifted set alone, so it is the same for all in a list.
   Without the rule the counts are part of the key. */
#ifndef LIN_CACHE_H
#define LIN_CACHE_H

#include "history.h"

static void cache_clear(search *s)
{
    s->slot_used = 0;
    s->pool_count = 1; /* record 0 means none */
    s->epoch++;
    if (s->epoch == 0) { /* wrapped: old slots could look alive */
        for (int64_t i = 0; i < s->slot_capacity; i++) s->slots[i].epoch = 0;
        s->epoch = 1;
    }
}

static bool cache_grow(search *s)
{
    int64_t factor = s->slot_capacity < 1 << 16 ? 4 : 2; /* small ones are soon left behind */
    int64_t capacity = s->slot_capacity ? s->slot_capacity * factor : 256;
    slot *fresh = memory_take(&s->memory, capacity * (int64_t)sizeof *fresh);
    if (!fresh) return out_of_memory(s);
    memset(fresh, 0, (size_t)capacity * sizeof *fresh);
    for (int64_t i = 0; i < s->slot_capacity; i++) {
        if (s->slots[i].epoch != s->epoch) continue;
        int64_t j = (int64_t)(s->slots[i].k1 & (uint64_t)(capacity - 1));
        while (fresh[j].epoch) j = (j + 1) & (capacity - 1);
        fresh[j] = s->slots[i];
    }
    memory_give(&s->memory, s->slots, s->slot_capacity * (int64_t)sizeof *s->slots);
    s->slots = fresh;
    s->slot_capacity = capacity;
    return true;
}

/* Room for `words` more words in the pool; their index, or 0 without memory. */
static int64_t pool_take(search *s, int64_t words)
{
    if (s->pool_count + words > UINT32_MAX
        || !grow(&s->memory, (void **)&s->pool, &s->pool_capacity, s->pool_count + words,
                 sizeof *s->pool)) {
        s->reason = LIN_NO_MEMORY;
        return 0;
    }
    int64_t place = s->pool_count;
    s->pool_count += words;
    return place;
}

static inline bool counts_in_key(const search *s)
{
    return s->class_count && !s->relaxed && !(s->rules & LIN_DOMINANCE);
}

static inline bool counts_in_list(const search *s)
{
    return s->class_count && !s->relaxed && (s->rules & LIN_DOMINANCE);
}

static void fingerprint(const search *s, uint64_t *k1, uint64_t *k2)
{
    const state *at = &s->state;
    *k1 = s->zobrist_1 ^ scatter(at->x + 0x51);
    *k2 = s->zobrist_2 + scatter(at->x ^ 0xabcdef12345u);
    if (s->texts || is_container(s->model)) {
        *k1 ^= scatter(at->y ^ scatter((uint64_t)at->length));
        *k2 += scatter(at->y + ((uint64_t)at->length << 32) + 0x7777);
    }
    if (counts_in_key(s)) {
        *k1 ^= scatter(s->open_hash);
        *k2 += scatter(~s->open_hash);
    }
}

static int64_t exact_words(const search *s)
{
    return s->bit_words + 3 + (counts_in_key(s) ? s->class_count : 0);
}

static uint64_t exact_word(const search *s, int64_t i)
{
    if (i < s->bit_words) return s->bits[i];
    i -= s->bit_words;
    if (i < 3) return i == 0 ? s->state.x : i == 1 ? s->state.y : (uint64_t)s->state.length;
    return (uint64_t)s->classes[i - 3].used;
}

static bool exact_equal(const search *s, uint32_t record)
{
    int64_t words = exact_words(s);
    for (int64_t i = 0; i < words; i++)
        if (s->pool[record + 1 + i] != exact_word(s, i)) return false;
    return true;
}

static bool exact_store(search *s, slot *to)
{
    int64_t words = exact_words(s), place = pool_take(s, words + 1);
    if (!place) return false;
    s->pool[place] = 0; /* the list of count vectors */
    for (int64_t i = 0; i < words; i++) s->pool[place + 1 + i] = exact_word(s, i);
    to->record = (uint32_t)place;
    return true;
}

/* Is a class's target still of use? Collecting states, every state is. */
static inline bool class_matters(const search *s, const open_class *c)
{
    return s->target >= 0 || s->rejected > 0 || s->need[c->target] > 0 || s->is_source[c->target];
}

/* Each is somewhere else in memory, so it takes as long as some nodes. */
enum { LOOKS_AT_A_VECTOR = 4 };

static bool covered_by_list(search *s, uint64_t record)
{
    for (; record; record = s->pool[record]) {
        const uint64_t *entry = s->pool + record + 2;
        uint64_t left = s->pool[record + 1];
        s->looks += LOOKS_AT_A_VECTOR;
        while (left && s->classes[*entry >> 32].used >= (int32_t)(uint32_t)*entry) entry++, left--;
        if (!left) return true;
    }
    return false;
}

/* Puts the current counts before the list `older`; the new head of the list, or 0. */
static uint64_t list_store(search *s, uint64_t older)
{
    int64_t place = pool_take(s, 2);
    if (!place) return 0;
    uint64_t entries = 0;
    s->tick++;
    s->looks += s->open_lifts;
    for (int64_t i = 0; i < s->open_lifts; i++) {
        int32_t number = s->open_stack[i];
        const open_class *c = &s->classes[number];
        if (s->class_mark[number] == s->tick || !class_matters(s, c)) continue;
        s->class_mark[number] = s->tick;
        int64_t at = pool_take(s, 1);
        if (!at) return 0;
        s->pool[at] = (uint64_t)number << 32 | (uint32_t)c->used;
        entries++;
    }
    s->pool[place] = older;
    s->pool[place + 1] = entries;
    return (uint64_t)place;
}

/* True if the current configuration needs no visit, because it was seen or is covered; otherwise
   it counts as seen from now on. Also true, with a reason set, when memory ran out. */
static bool already_seen(search *s)
{
    if ((s->slot_used + 1) * 2 > s->slot_capacity && !cache_grow(s)) return true;
    uint64_t k1, k2, mask = (uint64_t)s->slot_capacity - 1;
    fingerprint(s, &k1, &k2);
    slot *at = &s->slots[k1 & mask];
    while (at->epoch == s->epoch
           && !(at->k1 == k1 && at->k2 == k2 && (!s->bits || exact_equal(s, at->record))))
        at = &s->slots[((uint64_t)(at - s->slots) + 1) & mask];
    bool fresh = at->epoch != s->epoch;
    if (fresh) {
        *at = (slot){k1, k2, s->epoch, 0};
        s->slot_used++;
        if (s->bits && !exact_store(s, at)) return true;
    }
    if (!counts_in_list(s)) return !fresh;
    uint64_t list = s->bits ? s->pool[at->record] : at->record;
    if (covered_by_list(s, list)) return true;
    list = list_store(s, list);
    if (!list) return true;
    if (s->bits) s->pool[at->record] = list;
    else at->record = (uint32_t)list;
    return false;
}

#endif
