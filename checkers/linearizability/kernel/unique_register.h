/* Orders for registers whose values are written once: where each operation takes effect.

   unique_zones.h decides, and says in which order the chains may follow each other. What remains
   are compare-and-sets from a that did not find a: each needs a gap where the register holds
   something else. Leaving them out only adds orders, so illegal stays illegal. If an order is found
   in which each has its gap, it is legal. Else another order might do, and the search must decide.

       register   ──── p ────[ a ]──────────────────── n ───      the chains as found; a is held
       rejected                    [ not a ]                      all the time

   Four remedies, each for one that has no gap, then the order is made anew, and so a few times:
   - an open write that nobody saw, called in time, comes in between a and n;
   - or a comes later, as its chain may wait; which lets p stay longer, and if that is too long for
     another one, it is taken back and one of the next two is tried;
   - or one of the chains before a that can as well come after it does so. It fits in, since it
     comes before the gap where n would have come;
   - or one of the chains after n that can begin in time and end before n must begin (and those in
     between) comes before them. */
#ifndef LIN_UNIQUE_REGISTER_H
#define LIN_UNIQUE_REGISTER_H

#include "unique_zones.h"

enum { ORDERS_TRIED = 40, ZONES_TRIED = 64 };

static void chain_readers(register_check *c)
{
    for (int32_t i = c->u->count - 1; i >= 0; i--) {
        const lin_operation *o = claim(c->u, i);
        if (!only_reads(o)) continue;
        cluster *k = cluster_of(c, o->a);
        c->next_reader[i] = k->reader;
        k->reader = i;
    }
}

static void move_to(register_check *c, int32_t operation)
{
    if (c->u->first[operation] > c->now) c->now = c->u->first[operation];
    if (c->u->last[operation] < c->now) c->late = true;
    place(c->u, operation, c->now);
}

/* Puts a chain after all that was placed so far. */
static void place_chain(register_check *c, int32_t head)
{
    unique *u = c->u;
    for (int32_t k = head;;) {
        cluster *here = &c->clusters[k];
        if (here->writer >= 0) {
            if (here->delay > c->now) c->now = here->delay;
            move_to(c, here->writer);
            here->begin = c->now;
            c->clusters[c->state].leave = c->now;
        }
        c->state = k;
        if (u->with_order) {
            for (int32_t i = here->reader; i >= 0; i = c->next_reader[i]) move_to(c, i);
        } else if (here->latest >= 0) {
            if (u->last[here->earliest] < c->now) c->late = true;
            move_to(c, here->latest);
        }
        if (here->successor < 0) return;
        k = find_value(u, claim(u, here->successor)->b);
    }
}

static void place_zones(register_check *c)
{
    for (int32_t k = 0; k < c->u->value_count; k++) {
        c->clusters[k].begin = c->clusters[k].leave = INT32_MAX;
        c->clusters[k].reader = -1;
    }
    c->clusters[0].begin = -1; /* the initial value */
    c->now = c->state = 0;
    c->u->placed_count = 0;
    if (c->u->with_order) chain_readers(c);
    for (int32_t z = c->front; z >= 0; z = c->zones[z].after) {
        place_chain(c, c->zones[z].head);
        c->zones[z].end = c->now;
    }
}

/* Zones for open writes that nobody saw; none of them is in the order so far. */
static bool collect_spare(register_check *c)
{
    unique *u = c->u;
    c->spare = arena_take(u->arena, (int64_t)sizeof *c->spare * (u->count + 1));
    if (!c->spare) return false;
    for (int32_t i = 0; i < u->count; i++) {
        if (!is_open(u, i) || claim(u, i)->function != LIN_WRITE) continue;
        int32_t k = find_value(u, claim(u, i)->a);
        if (c->clusters[k].counts) continue;
        c->zones[c->zone_count] = (zone){.f = u->end, .s = u->first[i], .head = k};
        c->clusters[k].zone = c->zone_count;
        c->spare[c->spare_count++] = c->zone_count++;
    }
    return true;
}

/* Puts zone z after zone a, or at the front. */
static void link_zone(register_check *c, int32_t z, int32_t a)
{
    int32_t next = a < 0 ? c->front : c->zones[a].after;
    c->zones[z].before = a;
    c->zones[z].after = next;
    if (next >= 0) c->zones[next].before = z;
    if (a < 0) c->front = z;
    else c->zones[a].after = z;
}

static void unlink_zone(register_check *c, int32_t z)
{
    int32_t before = c->zones[z].before, after = c->zones[z].after;
    if (before < 0) c->front = after;
    else c->zones[before].after = after;
    if (after >= 0) c->zones[after].before = before;
}

/* Was the zone touched by a remedy of this round? What is known of its place is no longer true
   then; so that remedies do not meet, one that comes upon it waits for the next round. */
static inline bool touched(register_check *c, int32_t z, bool touch)
{
    if (z < 0) return false;
    bool before = c->zones[z].round == c->round;
    if (touch) c->zones[z].round = c->round;
    return before;
}

/* The remedies; each makes value k go away for some time between the gaps `from` and `until`.
   False: it cannot. Here a is the zone of k, or -1 for the initial value if nobody saw it. */

/* Puts an open write that was not used before after a: of those called in time, the last. */
static bool use_spare(register_check *c, int32_t a, int32_t until)
{
    int32_t low = 0, high = c->spare_count;
    while (low < high) {
        int32_t middle = (low + high) / 2;
        if (c->zones[c->spare[middle]].s <= until) low = middle + 1;
        else high = middle;
    }
    if (!low) return false;
    link_zone(c, c->spare[low - 1], a);
    touched(c, c->spare[low - 1], true);
    memmove(c->spare + low - 1, c->spare + low,
            sizeof *c->spare * (size_t)(c->spare_count - low));
    c->spare_count--;
    return true;
}

/* Puts a zone that comes before a now after it. */
static bool move_back(register_check *c, int32_t a, int32_t until)
{
    int32_t z = a < 0 ? -1 : c->zones[a].before;
    for (int32_t tried = 0; z >= 0 && tried < ZONES_TRIED; tried++, z = c->zones[z].before) {
        const zone *moved = &c->zones[z];
        if (touched(c, z, false)) return true;
        if (moved->f < moved->s || moved->s > until || moved->f < c->zones[a].end) continue;
        unlink_zone(c, z);
        link_zone(c, z, a);
        touched(c, z, true);
        return true;
    }
    return false;
}

/* Puts a zone that comes later right after a, if those in between can wait for its end. */
static bool move_forth(register_check *c, int32_t a, int32_t until)
{
    int32_t z = a < 0 ? c->front : c->zones[a].after, latest = INT32_MAX;
    for (int32_t tried = 0; z >= 0 && tried < ZONES_TRIED; tried++, z = c->zones[z].after) {
        const zone *moved = &c->zones[z];
        int32_t writer = c->clusters[moved->head].writer;
        if (touched(c, z, false)) return true;
        if (tried && writer >= 0 && c->u->first[writer] <= until && moved->s <= latest) {
            for (int32_t y = c->zones[z].before; y != a; y = c->zones[y].before)
                touched(c, y, true);
            unlink_zone(c, z);
            link_zone(c, z, a);
            touched(c, z, true);
            return true;
        }
        if (moved->f < latest) latest = moved->f;
    }
    return false;
}

/* Lets the value come only after `from`, if everything of its chain from there on can wait. */
static bool delay_value(register_check *c, int32_t k, int32_t from)
{
    const unique *u = c->u;
    cluster *seen = &c->clusters[k];
    if (seen->writer < 0 || seen->prompt) return false;
    for (int32_t steps = 0; steps < ZONES_TRIED; steps++) {
        const cluster *here = &c->clusters[k];
        if (u->last[here->writer] <= from) return false;
        if (here->earliest >= 0 && u->last[here->earliest] <= from) return false;
        if (here->successor < 0) break;
        k = find_value(u, claim(u, here->successor)->b);
    }
    seen->delay = from + 1;
    return true;
}

/* Takes back the delay of the value that comes after k, for good. */
static bool hasten_next(register_check *c, int32_t k)
{
    const cluster *seen = &c->clusters[k];
    int32_t next, z = seen->zone < 0 ? c->front : c->zones[seen->zone].after;
    if (seen->successor >= 0) next = find_value(c->u, claim(c->u, seen->successor)->b);
    else if (z >= 0) next = c->zones[z].head;
    else return false;
    if (!c->clusters[next].delay) return false;
    c->clusters[next].delay = 0;
    c->clusters[next].prompt = true;
    return true;
}

static bool remedy(register_check *c, int32_t k, int32_t from, int32_t until)
{
    cluster *seen = &c->clusters[k];
    int32_t a = seen->zone;
    if (seen->round == c->round || touched(c, a, false)) return true;
    seen->round = c->round;
    bool can_end = seen->successor < 0 && (a < 0 || c->zones[a].end <= until);
    bool found = (can_end && use_spare(c, a, until)) || delay_value(c, k, from)
                 || (can_end && (move_back(c, a, until) || move_forth(c, a, until)))
                 || hasten_next(c, k);
    if (found) touched(c, a, true);
    return found;
}

/* Places every compare-and-set that saw another value, and looks for remedies where it found no
   gap: how many did, or -1 if there is no remedy. */
static int32_t place_rejected(register_check *c)
{
    unique *u = c->u;
    int32_t asked = 0;
    for (int32_t i = 0; i < u->count; i++) {
        if (claim(u, i)->outcome != LIN_REJECTED) continue;
        int32_t k = find_value(u, claim(u, i)->a), gap = u->first[i];
        const cluster *seen = k < 0 ? NULL : &c->clusters[k];
        if (seen && gap >= seen->begin && gap < seen->leave) gap = seen->leave;
        if (gap <= u->last[i]) {
            place(u, i, gap);
            continue;
        }
        asked++;
        if (!remedy(c, k, u->first[i], u->last[i])) return -1;
    }
    return asked;
}

/* Makes an order. LIN_UNKNOWN if a rejected compare-and-set has no place. */
static int32_t place_all(register_check *c)
{
    if (c->rejected && !collect_spare(c)) return LIN_UNKNOWN;
    for (c->round = 1; c->round <= ORDERS_TRIED; c->round++) {
        place_zones(c);
        if (c->late) return LIN_UNKNOWN;
        if (!c->rejected) return LIN_LEGAL;
        int32_t asked = place_rejected(c);
        if (asked < 0) return LIN_UNKNOWN;
        if (!asked) return LIN_LEGAL;
    }
    return LIN_UNKNOWN;
}

static int32_t unique_register(unique *u)
{
    register_check c = {.u = u};
    if (add_writers(&c) != LIN_LEGAL || !load_gaps(u)) return LIN_UNKNOWN;
    if (add_readers(&c) != LIN_LEGAL || !link_clusters(&c)) return LIN_ILLEGAL;
    c.zones = arena_take(u->arena, (int64_t)sizeof *c.zones * (u->value_count + 1));
    if (!c.zones) return LIN_UNKNOWN;
    if (!make_zones(&c)) return LIN_ILLEGAL;
    if (u->with_order) {
        c.next_reader = arena_take(u->arena, (int64_t)sizeof *c.next_reader * u->count);
        if (!c.next_reader) return LIN_UNKNOWN;
    }
    int32_t verdict = sweep_zones(&c);
    if (verdict != LIN_LEGAL || (!u->with_order && !c.rejected)) return verdict;
    return place_all(&c);
}

#endif
