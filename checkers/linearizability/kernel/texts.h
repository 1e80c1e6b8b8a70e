/* Hashing the texts of a problem: every letter about once, however often it was got.

   The gets of one key mostly return texts of which each begins with the one before. Such a family
   shares one table of the hashes of prefixes, and each text is hashed from the end of another:

       get   a b c            table   h0 h1 h2 h3 h4 h5
       get   a b c d e                         ^     ^

   So a key to which n letters are appended costs n steps and n words, not the sum of all that was
   got. To see that a text begins with another takes a comparison of bytes, some fifty times faster
   than to hash them. */
#ifndef LIN_TEXTS_H
#define LIN_TEXTS_H

#include "history.h"

/* What is known of a text that was got, before it is hashed. */
typedef struct {
    int32_t before;  /* the text that it goes on from, or -1 */
    int32_t family;  /* the first text of its family, or -1: nobody got it */
    int64_t longest; /* of a first text: the length of the longest in its family */
    bool hashed;
} lineage;

static inline const uint8_t *letters(const lin_problem *p, int32_t value)
{
    return p->text + p->text_start[value];
}

static inline bool is_answer(const lin_operation *o)
{
    return o->function == LIN_READ && o->outcome != LIN_OPEN;
}

static bool begins_with(const search *s, int32_t whole, int32_t part)
{
    int64_t length = s->texts[part].length;
    return length <= s->texts[whole].length
           && !memcmp(letters(s->problem, whole), letters(s->problem, part), (size_t)length);
}

/* Finds out which text goes on from which, in the order of the gets. `last` has, for each key, the
   longest text of the family that its gets are in; what fits neither way begins another family. */
static void find_lineage(const search *s, lineage *of, int32_t *last)
{
    const lin_problem *p = s->problem;
    for (int32_t k = 0; k < p->key_count; k++) last[k] = -1;
    for (int32_t v = 0; v < p->value_count; v++) of[v] = (lineage){.family = -1};
    for (int32_t i = 0; i < p->operation_count; i++) {
        const lin_operation *o = &p->operations[i];
        int32_t now = o->a, other = last[o->key];
        int64_t length = s->texts[now].length;
        if (!is_answer(o) || of[now].family >= 0) continue;
        if (other >= 0 && begins_with(s, now, other)) {
            of[now] = (lineage){.before = other, .family = of[other].family};
            of[of[now].family].longest = length;
        } else if (other >= 0 && begins_with(s, other, now)) { /* a get that was late */
            while (other >= 0 && s->texts[other].length > length) other = of[other].before;
            of[now] = (lineage){.before = other, .family = of[last[o->key]].family};
            continue;
        } else {
            of[now] = (lineage){.before = -1, .family = now, .longest = length};
        }
        last[o->key] = now;
    }
}

/* Gives each family a place for its table; returns the words that all take. */
static int64_t place_tables(search *s, const lineage *of)
{
    int64_t words = 0;
    for (int32_t v = 0; v < s->problem->value_count; v++) {
        if (of[v].family != v) continue;
        s->texts[v].prefixes = words;
        words += of[v].longest + 1;
    }
    return words;
}

/* Hashes the gets' texts in the order of `find_lineage`, so that `before` is always done. */
static void hash_answers(search *s, lineage *of)
{
    const lin_problem *p = s->problem;
    for (int32_t i = 0; i < p->operation_count; i++) {
        int32_t now = p->operations[i].a;
        text_value *text = &s->texts[now];
        if (!is_answer(&p->operations[i]) || of[now].hashed) continue;
        of[now].hashed = true;
        text->prefixes = s->texts[of[now].family].prefixes;
        int64_t from = 0;
        if (of[now].before >= 0) {
            const text_value *before = &s->texts[of[now].before];
            text->x = before->x;
            text->y = before->y;
            from = before->length;
        }
        hash_text(text, letters(p, now), from, s->prefixes + text->prefixes);
    }
}

/* Hashes what is put or appended, each text with the powers that it takes to append it. */
static void hash_arguments(search *s, const lineage *of)
{
    const lin_problem *p = s->problem;
    for (int32_t i = 0; i < p->operation_count; i++) {
        text_value *text = &s->texts[p->operations[i].a];
        if (is_answer(&p->operations[i]) || text->power_x) continue;
        if (!of[p->operations[i].a].hashed) hash_text(text, letters(p, p->operations[i].a), 0, NULL);
        text->power_x = power61(BASE_X, text->length);
        text->power_y = power61(BASE_Y, text->length);
    }
}

/* Hashes all texts that matter, and the prefixes of those that gets returned. */
static bool load_texts(search *s, int64_t *text_bytes, int64_t *prefix_bytes)
{
    const lin_problem *p = s->problem;
    if (p->model != LIN_TEXT) return true;
    *text_bytes = (int64_t)sizeof *s->texts * (p->value_count + 1);
    s->texts = memory_take(&s->memory, *text_bytes);
    if (!s->texts) return out_of_memory(s);
    for (int32_t v = 0; v < p->value_count; v++)
        s->texts[v] = (text_value){.length = p->text_start[v + 1] - p->text_start[v],
                                   .prefixes = -1};
    int64_t of_bytes = (int64_t)sizeof(lineage) * p->value_count;
    int64_t last_bytes = (int64_t)sizeof(int32_t) * p->key_count;
    lineage *of = memory_take(&s->memory, of_bytes);
    int32_t *last = memory_take(&s->memory, last_bytes);
    if (of && last) {
        find_lineage(s, of, last);
        *prefix_bytes = place_tables(s, of) * (int64_t)sizeof *s->prefixes;
        s->prefixes = memory_take(&s->memory, *prefix_bytes);
        if (s->prefixes) {
            hash_answers(s, of);
            hash_arguments(s, of);
            text_value *initial = &s->texts[p->initial];
            if (!of[p->initial].hashed && !initial->power_x)
                hash_text(initial, letters(p, p->initial), 0, NULL);
        }
    }
    memory_give(&s->memory, of, of_bytes);
    memory_give(&s->memory, last, last_bytes);
    if (!s->prefixes) return out_of_memory(s);
    return true;
}

#endif
