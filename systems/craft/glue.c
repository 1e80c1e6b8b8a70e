/* Between the library and Python: the tables of callbacks, memory that the library takes over, and
 * messages as plain arguments.
 *
 * Python never sees a struct raft_message, and never a function pointer. Whatever the library is to
 * own is made here by raft_malloc, and whatever it hands over is freed here. The callback of a send
 * is kept until server_settle(), which Python calls when the call that sent has come back: never from
 * inside send(). A struct server that its node has abandoned in a crash is not closed, since closing
 * would call back for everything that was under way; what the library holds in it is leaked.
 */
#include <raft.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* static, and defined by cffi below this file */
static int on_random(void *, int, int);
static int on_bootstrap(void *, void *, size_t);
static int on_set_term(void *, raft_term);
static int on_set_vote(void *, raft_id);
static int on_append(void *, void *, const struct raft_entry *, unsigned);
static int on_truncate(void *, raft_index);
static int on_snapshot_put(void *, unsigned, void *, const struct raft_snapshot *);
static int on_snapshot_get(void *, void *);
static void send_request_vote(void *, raft_id, raft_term, raft_index, raft_term, _Bool, _Bool);
static void send_vote(void *, raft_id, raft_term, _Bool, int);
static void send_append(void *, raft_id, raft_term, raft_index, raft_term, raft_index,
                        const struct raft_entry *, unsigned);
static void send_appended(void *, raft_id, raft_term, raft_index, raft_index);
static void send_install(void *, raft_id, raft_term, raft_index, raft_term,
                         const struct raft_configuration *, raft_index, void *, size_t);
static void send_timeout_now(void *, raft_id, raft_term, raft_index, raft_term);
static int on_fsm_apply(void *, void *, size_t);
static int on_fsm_snapshot(void *, struct raft_buffer *);
static int on_fsm_restore(void *, void *, size_t);
static void on_done(void *, unsigned long long, int);

/* What others may see of a server: state, term, vote, commit index, applied index, leader. */
#define VIEW 6

struct server {
    struct raft raft;
    struct raft_io io;
    struct raft_fsm fsm;
    void *self; /* the handle of the Python object */
    raft_time now_ms; /* Python sets it before each call */
    unsigned long long view[VIEW];
    raft_io_tick_cb tick;
    raft_io_recv_cb receive;
    /* what load() is to return */
    raft_term term;
    raft_id vote;
    struct raft_snapshot *snapshot;
    raft_index start;
    struct raft_entry *entries;
    size_t n_entries;
    /* sends whose callback is still to be called */
    struct raft_io_send **sends;
    size_t n_sends, sends_capacity;
};

/* A client's request or an operator's, from its acceptance to its callback. */
struct request {
    union {
        struct raft_apply apply;
        struct raft_barrier barrier;
        struct raft_change change;
        struct raft_transfer transfer;
    };
    void *self;
    unsigned long long token;
};

static void address_of(raft_id id, char text[24]) { snprintf(text, 24, "%llu", id); }

static void *copy_of(const void *data, size_t length)
{
    void *copy = raft_malloc(length ? length : 8);
    if (copy != NULL && length) {
        memcpy(copy, data, length);
    }
    return copy;
}

static int make_configuration(struct raft_configuration *c, unsigned n, const raft_id *ids,
                              const int *roles)
{
    char address[24];
    raft_configuration_init(c);
    for (unsigned i = 0; i < n; i++) {
        address_of(ids[i], address);
        int status = raft_configuration_add(c, ids[i], address, roles ? roles[i] : RAFT_VOTER);
        if (status != 0) {
            return status;
        }
    }
    return 0;
}

/* One block of memory for all entries, as the library wants what comes from disk or network. */
static int make_entries(struct raft_entry **made, unsigned n, const raft_term *terms,
                        const int *types, const size_t *lengths, const char *data)
{
    size_t total = 0;
    *made = NULL;
    if (n == 0) {
        return 0;
    }
    for (unsigned i = 0; i < n; i++) {
        total += lengths[i];
    }
    struct raft_entry *entries = raft_calloc(n, sizeof *entries);
    char *batch = copy_of(data, total);
    if (entries == NULL || batch == NULL) {
        return RAFT_NOMEM;
    }
    for (unsigned i = 0; i < n; i++) {
        entries[i].term = terms[i];
        entries[i].type = (unsigned short)types[i];
        entries[i].buf.base = batch;
        entries[i].buf.len = lengths[i];
        entries[i].batch = entries[0].buf.base;
        batch += lengths[i];
    }
    *made = entries;
    return 0;
}

static struct raft_snapshot *make_snapshot(raft_index index, raft_term term, unsigned n,
                                           const raft_id *ids, const int *roles,
                                           raft_index conf_index, const char *data, size_t length)
{
    struct raft_snapshot *made = raft_calloc(1, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    made->index = index;
    made->term = term;
    made->configuration_index = conf_index;
    made->bufs = raft_calloc(1, sizeof *made->bufs);
    if (made->bufs == NULL || make_configuration(&made->configuration, n, ids, roles) != 0) {
        return NULL;
    }
    made->n_bufs = 1;
    made->bufs[0].base = copy_of(data, length);
    made->bufs[0].len = length;
    return made;
}

/* ---- raft_io */

static void *self_of(struct raft_io *io) { return ((struct server *)io->impl)->self; }

static int io_init(struct raft_io *io, raft_id id, const char *address)
{
    (void)io, (void)id, (void)address;
    return 0;
}

static void io_close(struct raft_io *io, raft_io_close_cb cb) { cb(io); }

static int io_load(struct raft_io *io, raft_term *term, raft_id *vote,
                   struct raft_snapshot **snapshot, raft_index *start, struct raft_entry **entries,
                   size_t *n_entries)
{
    struct server *s = io->impl;
    *term = s->term;
    *vote = s->vote;
    *snapshot = s->snapshot;
    *start = s->start;
    *entries = s->entries;
    *n_entries = s->n_entries;
    s->snapshot = NULL; /* the library owns both from now on */
    s->entries = NULL;
    return 0;
}

static int io_start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick,
                    raft_io_recv_cb receive)
{
    struct server *s = io->impl;
    (void)msecs; /* as server_configure said */
    s->tick = tick;
    s->receive = receive;
    return 0;
}

static int io_bootstrap(struct raft_io *io, const struct raft_configuration *configuration)
{
    struct raft_buffer encoded;
    int status = raft_configuration_encode(configuration, &encoded);
    if (status == 0) {
        status = on_bootstrap(self_of(io), encoded.base, encoded.len);
        raft_free(encoded.base);
    }
    return status;
}

static int io_recover(struct raft_io *io, const struct raft_configuration *configuration)
{
    (void)io, (void)configuration;
    return RAFT_IOERR; /* nobody orders it */
}

static int io_set_term(struct raft_io *io, raft_term term)
{
    return on_set_term(self_of(io), term);
}

static int io_set_vote(struct raft_io *io, raft_id id) { return on_set_vote(self_of(io), id); }

static int io_append(struct raft_io *io, struct raft_io_append *request,
                     const struct raft_entry entries[], unsigned n, raft_io_append_cb cb)
{
    request->cb = cb;
    return on_append(self_of(io), request, entries, n);
}

static int io_truncate(struct raft_io *io, raft_index index)
{
    return on_truncate(self_of(io), index);
}

static int io_snapshot_put(struct raft_io *io, unsigned trailing,
                           struct raft_io_snapshot_put *request,
                           const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb cb)
{
    request->cb = cb;
    return on_snapshot_put(self_of(io), trailing, request, snapshot);
}

static int io_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *request,
                           raft_io_snapshot_get_cb cb)
{
    request->cb = cb;
    return on_snapshot_get(self_of(io), request);
}

static raft_time io_time(struct raft_io *io) { return ((struct server *)io->impl)->now_ms; }

static int io_random(struct raft_io *io, int low, int high)
{
    return on_random(self_of(io), low, high);
}

static int io_send(struct raft_io *io, struct raft_io_send *request,
                   const struct raft_message *m, raft_io_send_cb cb)
{
    struct server *s = io->impl;
    void *self = s->self;
    raft_id to = m->server_id;
    request->cb = cb;
    if (cb != NULL && s->n_sends == s->sends_capacity) {
        size_t capacity = s->sends_capacity ? 2 * s->sends_capacity : 16;
        struct raft_io_send **more = realloc(s->sends, capacity * sizeof *more);
        if (more == NULL) {
            return RAFT_NOMEM;
        }
        s->sends = more;
        s->sends_capacity = capacity;
    }
    if (cb != NULL) { /* without one, nobody says how long the request lives */
        s->sends[s->n_sends++] = request;
    }
    switch (m->type) {
        case RAFT_IO_REQUEST_VOTE: {
            const struct raft_request_vote *v = &m->request_vote;
            send_request_vote(self, to, v->term, v->last_log_index, v->last_log_term,
                              v->disrupt_leader, v->pre_vote);
            break;
        }
        case RAFT_IO_REQUEST_VOTE_RESULT: {
            const struct raft_request_vote_result *v = &m->request_vote_result;
            send_vote(self, to, v->term, v->vote_granted, (int)v->pre_vote);
            break;
        }
        case RAFT_IO_APPEND_ENTRIES: {
            const struct raft_append_entries *a = &m->append_entries;
            send_append(self, to, a->term, a->prev_log_index, a->prev_log_term, a->leader_commit,
                        a->entries, a->n_entries);
            break;
        }
        case RAFT_IO_APPEND_ENTRIES_RESULT: {
            const struct raft_append_entries_result *a = &m->append_entries_result;
            send_appended(self, to, a->term, a->rejected, a->last_log_index);
            break;
        }
        case RAFT_IO_INSTALL_SNAPSHOT: {
            const struct raft_install_snapshot *i = &m->install_snapshot;
            send_install(self, to, i->term, i->last_index, i->last_term, &i->conf, i->conf_index,
                         i->data.base, i->data.len);
            break;
        }
        case RAFT_IO_TIMEOUT_NOW: {
            const struct raft_timeout_now *t = &m->timeout_now;
            send_timeout_now(self, to, t->term, t->last_log_index, t->last_log_term);
            break;
        }
        default:
            return RAFT_INVALID;
    }
    return 0;
}

/* ---- raft_fsm */

static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
    *result = NULL;
    return on_fsm_apply(((struct server *)fsm->data)->self, buf->base, buf->len);
}

static int fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs)
{
    struct raft_buffer *made = raft_calloc(1, sizeof *made);
    if (made == NULL) {
        return RAFT_NOMEM;
    }
    int status = on_fsm_snapshot(((struct server *)fsm->data)->self, made);
    if (status != 0) {
        raft_free(made);
        return status;
    }
    *bufs = made;
    *n_bufs = 1;
    return 0;
}

static int fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
    int status = on_fsm_restore(((struct server *)fsm->data)->self, buf->base, buf->len);
    if (status == 0) {
        raft_free(buf->base);
    }
    return status;
}

/* ---- a server's life */

static struct server *server_new(void *self, raft_id id)
{
    char address[24];
    struct server *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->self = self;
    s->start = 1;
    struct raft_io *io = &s->io;
    io->version = 1;
    io->impl = s;
    io->init = io_init;
    io->close = io_close;
    io->load = io_load;
    io->start = io_start;
    io->bootstrap = io_bootstrap;
    io->recover = io_recover;
    io->set_term = io_set_term;
    io->set_vote = io_set_vote;
    io->send = io_send;
    io->append = io_append;
    io->truncate = io_truncate;
    io->snapshot_put = io_snapshot_put;
    io->snapshot_get = io_snapshot_get;
    io->time = io_time;
    io->random = io_random;
    s->fsm.version = 1;
    s->fsm.data = s;
    s->fsm.apply = fsm_apply;
    s->fsm.snapshot = fsm_snapshot;
    s->fsm.restore = fsm_restore;
    address_of(id, address);
    if (raft_init(&s->raft, io, &s->fsm, id, address) != 0) {
        free(s);
        return NULL;
    }
    return s;
}

static void server_free(struct server *s)
{
    free(s->sends);
    free(s);
}

static void server_configure(struct server *s, unsigned election_ms, unsigned heartbeat_ms,
                             unsigned install_ms, unsigned threshold, unsigned trailing,
                             bool pre_vote)
{
    raft_set_heartbeat_timeout(&s->raft, heartbeat_ms);
    raft_set_election_timeout(&s->raft, election_ms);
    raft_set_install_snapshot_timeout(&s->raft, install_ms);
    raft_set_snapshot_threshold(&s->raft, threshold);
    raft_set_snapshot_trailing(&s->raft, trailing);
    raft_set_pre_vote(&s->raft, pre_vote);
}

static unsigned long long *server_clock(struct server *s) { return &s->now_ms; }

static int server_bootstrap(struct server *s, unsigned n, const raft_id *voters)
{
    struct raft_configuration configuration;
    int status = make_configuration(&configuration, n, voters, NULL);
    if (status == 0) {
        status = raft_bootstrap(&s->raft, &configuration);
    }
    raft_configuration_close(&configuration);
    return status;
}

static void server_load_state(struct server *s, raft_term term, raft_id vote)
{
    s->term = term;
    s->vote = vote;
}

static int server_load_snapshot(struct server *s, raft_index index, raft_term term, unsigned n,
                                const raft_id *ids, const int *roles, raft_index conf_index,
                                const char *data, size_t length)
{
    s->snapshot = make_snapshot(index, term, n, ids, roles, conf_index, data, length);
    return s->snapshot == NULL ? RAFT_NOMEM : 0;
}

static int server_load_entries(struct server *s, raft_index start, unsigned n,
                               const raft_term *terms, const int *types, const size_t *lengths,
                               const char *data)
{
    s->start = start;
    s->n_entries = n;
    return make_entries(&s->entries, n, terms, types, lengths, data);
}

static int server_start(struct server *s) { return raft_start(&s->raft); }

static unsigned long long *server_view(struct server *s) { return s->view; }

static bool has_changed(struct server *s)
{
    struct raft *r = &s->raft;
    raft_id leader;
    const char *address;
    raft_leader(r, &leader, &address);
    const unsigned long long now[VIEW] = {
        r->state, r->current_term, r->voted_for, r->commit_index, r->last_applied, leader,
    };
    if (memcmp(s->view, now, sizeof now) == 0) {
        return false;
    }
    memcpy(s->view, now, sizeof now);
    return true;
}

/* Whether it leads and has applied all of its log. */
static bool server_up_to_date(struct server *s)
{
    return raft_state(&s->raft) == RAFT_LEADER &&
           raft_last_applied(&s->raft) == raft_last_index(&s->raft);
}

static unsigned server_members(struct server *s, raft_id *ids, int *roles, unsigned capacity)
{
    const struct raft_configuration *c = &s->raft.configuration;
    for (unsigned i = 0; i < c->n && i < capacity; i++) {
        ids[i] = c->servers[i].id;
        roles[i] = c->servers[i].role;
    }
    return c->n < capacity ? c->n : capacity;
}

/* How far a leader believes each member's log to be like its own. */
static unsigned server_progress(struct server *s, raft_id *ids, raft_index *matches,
                                unsigned capacity)
{
    const struct raft *r = &s->raft;
    const struct raft_configuration *c = &r->configuration;
    if (r->state != RAFT_LEADER) {
        return 0;
    }
    for (unsigned i = 0; i < c->n && i < capacity; i++) {
        ids[i] = c->servers[i].id;
        matches[i] = r->leader_state.progress[i].match_index;
    }
    return c->n < capacity ? c->n : capacity;
}

/* ---- entries as arrays */

/* Of each its term, its kind and the length of what it holds; returns the sum of the lengths. */
static size_t entries_numbers(const struct raft_entry *entries, unsigned n,
                              unsigned long long *numbers)
{
    size_t total = 0;
    for (unsigned i = 0; i < n; i++) {
        *numbers++ = entries[i].term;
        *numbers++ = entries[i].type;
        *numbers++ = entries[i].buf.len;
        total += entries[i].buf.len;
    }
    return total;
}

static void entries_contents(const struct raft_entry *entries, unsigned n, char *contents)
{
    for (unsigned i = 0; i < n; i++) {
        memcpy(contents, entries[i].buf.base, entries[i].buf.len);
        contents += entries[i].buf.len;
    }
}

/* ---- what happens to it */

static void server_tick(struct server *s) { s->tick(&s->io); }

/* Call back for what was sent, and bring the view up to date: 1 if there was anything to call back
 * for, plus 2 if the view has changed. */
static int server_settle(struct server *s)
{
    size_t n = s->n_sends;
    struct raft_io_send **sends = s->sends;
    if (n != 0) {
        s->sends = NULL; /* a callback may send in its turn */
        s->n_sends = s->sends_capacity = 0;
        for (size_t i = 0; i < n; i++) {
            sends[i]->cb(sends[i], 0);
        }
        free(sends);
    }
    return (n != 0 ? 1 : 0) | (has_changed(s) ? 2 : 0);
}

static void server_appended(void *request)
{
    struct raft_io_append *r = request;
    r->cb(r, 0);
}

static void server_snapshot_stored(void *request)
{
    struct raft_io_snapshot_put *r = request;
    r->cb(r, 0);
}

static int server_snapshot_loaded(void *request, raft_index index, raft_term term, unsigned n,
                                  const raft_id *ids, const int *roles, raft_index conf_index,
                                  const char *data, size_t length)
{
    struct raft_io_snapshot_get *r = request;
    struct raft_snapshot *made = NULL;
    if (index != 0) {
        made = make_snapshot(index, term, n, ids, roles, conf_index, data, length);
        if (made == NULL) {
            return RAFT_NOMEM;
        }
    }
    r->cb(r, made, made == NULL ? RAFT_NOTFOUND : 0);
    return 0;
}

/* ---- messages */

static void deliver(struct server *s, raft_id from, unsigned short type, struct raft_message *m)
{
    char address[24];
    address_of(from, address);
    m->type = type;
    m->server_id = from;
    m->server_address = address;
    s->receive(&s->io, m);
}

static void receive_request_vote(struct server *s, raft_id from, raft_term term,
                                 raft_index last_index, raft_term last_term, bool disrupt_leader,
                                 bool pre_vote)
{
    struct raft_message m = {0};
    m.request_vote.term = term;
    m.request_vote.candidate_id = from;
    m.request_vote.last_log_index = last_index;
    m.request_vote.last_log_term = last_term;
    m.request_vote.disrupt_leader = disrupt_leader;
    m.request_vote.pre_vote = pre_vote;
    deliver(s, from, RAFT_IO_REQUEST_VOTE, &m);
}

static void receive_vote(struct server *s, raft_id from, raft_term term, bool granted,
                         int pre_vote)
{
    struct raft_message m = {0};
    m.request_vote_result.term = term;
    m.request_vote_result.vote_granted = granted;
    m.request_vote_result.pre_vote = (raft_tribool)pre_vote;
    deliver(s, from, RAFT_IO_REQUEST_VOTE_RESULT, &m);
}

static int receive_append(struct server *s, raft_id from, raft_term term,
                          raft_index previous_index, raft_term previous_term, raft_index commit,
                          unsigned n, const raft_term *terms, const int *types,
                          const size_t *lengths, const char *data)
{
    struct raft_message m = {0};
    int status = make_entries(&m.append_entries.entries, n, terms, types, lengths, data);
    if (status != 0) {
        return status;
    }
    m.append_entries.term = term;
    m.append_entries.prev_log_index = previous_index;
    m.append_entries.prev_log_term = previous_term;
    m.append_entries.leader_commit = commit;
    m.append_entries.n_entries = n;
    deliver(s, from, RAFT_IO_APPEND_ENTRIES, &m);
    return 0;
}

static void receive_appended(struct server *s, raft_id from, raft_term term, raft_index rejected,
                             raft_index last_index)
{
    struct raft_message m = {0};
    m.append_entries_result.term = term;
    m.append_entries_result.rejected = rejected;
    m.append_entries_result.last_log_index = last_index;
    deliver(s, from, RAFT_IO_APPEND_ENTRIES_RESULT, &m);
}

static int receive_install(struct server *s, raft_id from, raft_term term, raft_index last_index,
                           raft_term last_term, unsigned n, const raft_id *ids, const int *roles,
                           raft_index conf_index, const char *data, size_t length)
{
    struct raft_message m = {0};
    struct raft_install_snapshot *i = &m.install_snapshot;
    int status = make_configuration(&i->conf, n, ids, roles);
    if (status != 0) {
        return status;
    }
    i->term = term;
    i->last_index = last_index;
    i->last_term = last_term;
    i->conf_index = conf_index;
    i->data.base = copy_of(data, length);
    i->data.len = length;
    deliver(s, from, RAFT_IO_INSTALL_SNAPSHOT, &m);
    return 0;
}

static void receive_timeout_now(struct server *s, raft_id from, raft_term term,
                                raft_index last_index, raft_term last_term)
{
    struct raft_message m = {0};
    m.timeout_now.term = term;
    m.timeout_now.last_log_index = last_index;
    m.timeout_now.last_log_term = last_term;
    deliver(s, from, RAFT_IO_TIMEOUT_NOW, &m);
}

/* ---- requests */

static struct request *new_request(struct server *s, unsigned long long token)
{
    struct request *made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->self = s->self;
        made->token = token;
    }
    return made;
}

/* A request that was refused is ours again. Not so a change: 0.15.0 remembers some that it has
 * refused, so that they must never be freed. */
static int accepted(struct request *request, int status)
{
    if (status != 0) {
        free(request);
    }
    return status;
}

static void done(void *request, int status)
{
    struct request *r = request;
    void *self = r->self;
    unsigned long long token = r->token;
    free(r);
    on_done(self, token, status);
}

static void apply_done(struct raft_apply *request, int status, void *result)
{
    (void)result;
    done(request, status);
}

static void barrier_done(struct raft_barrier *request, int status) { done(request, status); }
static void change_done(struct raft_change *request, int status) { done(request, status); }
static void transfer_done(struct raft_transfer *request) { done(request, 0); }

static int request_apply(struct server *s, unsigned long long token, const char *data,
                         size_t length)
{
    struct raft_buffer buf = {.base = copy_of(data, length), .len = length};
    struct request *r = new_request(s, token);
    int status = raft_apply(&s->raft, &r->apply, &buf, 1, apply_done);
    if (status != 0) {
        raft_free(buf.base); /* it stays ours */
    }
    return accepted(r, status);
}

static int request_barrier(struct server *s, unsigned long long token)
{
    struct request *r = new_request(s, token);
    return accepted(r, raft_barrier(&s->raft, &r->barrier, barrier_done));
}

static int request_add(struct server *s, unsigned long long token, raft_id id)
{
    char address[24];
    address_of(id, address);
    struct request *r = new_request(s, token);
    return raft_add(&s->raft, &r->change, id, address, change_done);
}

static int request_assign(struct server *s, unsigned long long token, raft_id id, int role)
{
    struct request *r = new_request(s, token);
    return raft_assign(&s->raft, &r->change, id, role, change_done);
}

static int request_remove(struct server *s, unsigned long long token, raft_id id)
{
    struct request *r = new_request(s, token);
    return raft_remove(&s->raft, &r->change, id, change_done);
}

static int request_transfer(struct server *s, unsigned long long token, raft_id id)
{
    struct request *r = new_request(s, token);
    return accepted(r, raft_transfer(&s->raft, &r->transfer, id, transfer_done));
}
