/* What Python sees of the library and of glue.c: declarations in cffi's dialect of C, read by
 * native.py and never compiled. "..." stands for what only the real header knows. */

typedef unsigned long long raft_id;
typedef unsigned long long raft_term;
typedef unsigned long long raft_index;

#define RAFT_NOTLEADER ...

struct raft_buffer { void *base; size_t len; ...; };
struct raft_server { raft_id id; int role; ...; };
struct raft_configuration { struct raft_server *servers; unsigned n; ...; };
struct raft_entry { raft_term term; unsigned short type; struct raft_buffer buf; ...; };
struct raft_snapshot {
    raft_index index; raft_term term;
    struct raft_configuration configuration; raft_index configuration_index;
    struct raft_buffer *bufs; unsigned n_bufs; ...;
};

/* ---- glue.c */

struct server { ...; };

struct server *server_new(void *self, raft_id id);
void server_free(struct server *s);
void server_configure(struct server *s, unsigned election_ms, unsigned heartbeat_ms,
                      unsigned install_ms, unsigned threshold, unsigned trailing, bool pre_vote);
unsigned long long *server_clock(struct server *s);
int server_bootstrap(struct server *s, unsigned n, const raft_id *voters);
void server_load_state(struct server *s, raft_term term, raft_id vote);
int server_load_snapshot(struct server *s, raft_index index, raft_term term, unsigned n,
                         const raft_id *ids, const int *roles, raft_index conf_index,
                         const char *data, size_t length);
int server_load_entries(struct server *s, raft_index start, unsigned n, const raft_term *terms,
                        const int *types, const size_t *lengths, const char *data);
int server_start(struct server *s);
unsigned long long *server_view(struct server *s);
bool server_up_to_date(struct server *s);
unsigned server_members(struct server *s, raft_id *ids, int *roles, unsigned capacity);

unsigned server_progress(struct server *s, raft_id *ids, raft_index *matches, unsigned capacity);

size_t entries_numbers(const struct raft_entry *entries, unsigned n, unsigned long long *numbers);
void entries_contents(const struct raft_entry *entries, unsigned n, char *contents);

void server_tick(struct server *s);
int server_settle(struct server *s);
void server_appended(void *request);
void server_snapshot_stored(void *request);
int server_snapshot_loaded(void *request, raft_index index, raft_term term, unsigned n,
                           const raft_id *ids, const int *roles, raft_index conf_index,
                           const char *data, size_t length);

void receive_request_vote(struct server *s, raft_id from, raft_term term, raft_index last_index,
                          raft_term last_term, bool disrupt_leader, bool pre_vote);
void receive_vote(struct server *s, raft_id from, raft_term term, bool granted, int pre_vote);
int receive_append(struct server *s, raft_id from, raft_term term, raft_index previous_index,
                   raft_term previous_term, raft_index commit, unsigned n, const raft_term *terms,
                   const int *types, const size_t *lengths, const char *data);
void receive_appended(struct server *s, raft_id from, raft_term term, raft_index rejected,
                      raft_index last_index);
int receive_install(struct server *s, raft_id from, raft_term term, raft_index last_index,
                    raft_term last_term, unsigned n, const raft_id *ids, const int *roles,
                    raft_index conf_index, const char *data, size_t length);
void receive_timeout_now(struct server *s, raft_id from, raft_term term, raft_index last_index,
                         raft_term last_term);

int request_apply(struct server *s, unsigned long long token, const char *data, size_t length);
int request_barrier(struct server *s, unsigned long long token);
int request_add(struct server *s, unsigned long long token, raft_id id);
int request_assign(struct server *s, unsigned long long token, raft_id id, int role);
int request_remove(struct server *s, unsigned long long token, raft_id id);
int request_transfer(struct server *s, unsigned long long token, raft_id id);

void *raft_malloc(size_t n);
const char *raft_strerror(int errnum);

/* ---- what the library asks of Python; defined in library.py */

extern "Python" {
    int on_random(void *self, int low, int high);
    int on_bootstrap(void *self, void *data, size_t length);
    int on_set_term(void *self, raft_term term);
    int on_set_vote(void *self, raft_id id);
    int on_append(void *self, void *request, const struct raft_entry *entries, unsigned n);
    int on_truncate(void *self, raft_index index);
    int on_snapshot_put(void *self, unsigned trailing, void *request,
                        const struct raft_snapshot *snapshot);
    int on_snapshot_get(void *self, void *request);

    void send_request_vote(void *self, raft_id to, raft_term term, raft_index last_index,
                           raft_term last_term, bool disrupt_leader, bool pre_vote);
    void send_vote(void *self, raft_id to, raft_term term, bool granted, int pre_vote);
    void send_append(void *self, raft_id to, raft_term term, raft_index previous_index,
                     raft_term previous_term, raft_index commit,
                     const struct raft_entry *entries, unsigned n);
    void send_appended(void *self, raft_id to, raft_term term, raft_index rejected,
                       raft_index last_index);
    void send_install(void *self, raft_id to, raft_term term, raft_index last_index,
                      raft_term last_term, const struct raft_configuration *configuration,
                      raft_index conf_index, void *data, size_t length);
    void send_timeout_now(void *self, raft_id to, raft_term term, raft_index last_index,
                          raft_term last_term);

    int on_fsm_apply(void *self, void *data, size_t length);
    int on_fsm_snapshot(void *self, struct raft_buffer *into);
    int on_fsm_restore(void *self, void *data, size_t length);

    void on_done(void *self, unsigned long long token, int status);
}
