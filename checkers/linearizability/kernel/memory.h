/* Memory: counted, capped, and never assumed to be there.

   A kernel call owns one `memory`. What lives as long as one key comes from the arena, which is
   reset and reused for the next key (most keys are small, and malloc would cost more than their
   search); what grows during a search is a vector that keeps its capacity. */
#ifndef LIN_MEMORY_H
#define LIN_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int64_t used, peak, limit;
} memory;

/* The operations of one of many keys lie far apart in a history, each on a cache line of its own:
   whoever goes through them for the first time asks for those that are so many steps ahead. */
#define LIN_AHEAD 16
#if defined(__GNUC__)
#define LIN_PREFETCH(address) __builtin_prefetch(address)
#else
#define LIN_PREFETCH(address) ((void)(address))
#endif

static bool memory_reserve(memory *m, int64_t bytes)
{
    if (bytes > m->limit - m->used) return false;
    m->used += bytes;
    if (m->used > m->peak) m->peak = m->used;
    return true;
}

static void *memory_take(memory *m, int64_t bytes)
{
    if (!memory_reserve(m, bytes)) return NULL;
    void *block = malloc(bytes ? (size_t)bytes : 1);
    if (!block) m->used -= bytes;
    return block;
}

static void memory_give(memory *m, void *block, int64_t bytes)
{
    if (!block) return;
    m->used -= bytes;
    free(block);
}

/* Makes room for `needed` items of `size` bytes in `*items`; false: no memory, nothing changed.
   Old and new block are both counted, because both exist while realloc copies. */
static bool grow(memory *m, void **items, int64_t *capacity, int64_t needed, int64_t size)
{
    if (needed <= *capacity) return true;
    int64_t wanted = *capacity ? *capacity * 2 : 64;
    while (wanted < needed) wanted *= 2;
    if (!memory_reserve(m, wanted * size)) return false;
    void *block = realloc(*items, (size_t)(wanted * size));
    if (!block) {
        m->used -= wanted * size;
        return false;
    }
    m->used -= *capacity * size;
    *items = block;
    *capacity = wanted;
    return true;
}

typedef struct chunk {
    struct chunk *next;
    int64_t size, used;
} chunk;

typedef struct {
    memory *memory;
    chunk *first, *current;
} arena;

enum { CHUNK_HEAD = 32, CHUNK_BYTES = 1 << 15 };

static void *arena_take(arena *a, int64_t bytes)
{
    bytes = (bytes + 15) & ~(int64_t)15;
    chunk *last = NULL;
    for (chunk *c = a->current; c; last = c, c = c->next) {
        if (c->size - c->used < bytes) continue;
        void *block = (char *)c + CHUNK_HEAD + c->used;
        c->used += bytes;
        return block;
    }
    int64_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    chunk *fresh = memory_take(a->memory, size + CHUNK_HEAD);
    if (!fresh) return NULL;
    *fresh = (chunk){NULL, size, bytes};
    if (last) last->next = fresh;
    else a->first = a->current = fresh;
    return (char *)fresh + CHUNK_HEAD;
}

static void *arena_zeroed(arena *a, int64_t bytes)
{
    void *block = arena_take(a, bytes);
    if (block) memset(block, 0, (size_t)bytes);
    return block;
}

static void arena_reset(arena *a)
{
    for (chunk *c = a->first; c; c = c->next) c->used = 0;
    a->current = a->first;
}

static void arena_free(arena *a)
{
    for (chunk *c = a->first; c;) {
        chunk *next = c->next;
        memory_give(a->memory, c, c->size + CHUNK_HEAD);
        c = next;
    }
    a->first = a->current = NULL;
}

#endif
