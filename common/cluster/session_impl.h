/* SPDX-License-Identifier: Apache-2.0
 * What the files of the session share. Internal to cluster. Threads: the net's.
 *
 * The session is one machine, session_tick(), called whenever something has
 * changed and every 100 ms. It looks at the operation under way, at the stage
 * of joining, and at each link, and begins what is due; so a lost connection
 * needs no case of its own: the call completes with an error, the link comes up
 * again, the tick begins it anew.
 *
 * A chief's start:   CONNECT -> DECLARE -> LOAD -> LOADED -> READY -> JOINED
 * a chief that finds the state of its job (ADOPT):
 *                    CONNECT -> DECLARE -> READY -> PULL -> JOINED
 * a chief that was fenced:         CONNECT -> PULL -> JOINED
 * a worker's start:     CONNECT -> DECLARE -> PULL -> JOINED
 * a new epoch, or fenced:  any -> CONNECT
 *
 * Work that goes to every ps alike is a job: one call a link, begun by
 * job_pump, done when all links are done. What only ps 0 answers is a poll. */
#ifndef CLUSTER_SESSION_IMPL_H
#define CLUSTER_SESSION_IMPL_H

#include <stdatomic.h>

#include "cluster/placement.h"
#include "cluster/session.h"
#include "rpc/peer.h"

enum session_stage {
    STAGE_CONNECT,
    STAGE_DECLARE,
    STAGE_LOAD,
    STAGE_LOADED,
    STAGE_READY,
    STAGE_PULL,
    STAGE_JOINED
};

enum job {
    JOB_NONE,
    JOB_DECLARE,
    JOB_LOAD,
    JOB_READY,
    JOB_PULL,
    JOB_PUSH,
    JOB_FENCE,
    JOB_STOP
};

enum peer_kind { PEER_DATA, PEER_CONTROL, NUM_PEERS };

/* One connection to a ps. */
struct port {
    struct link *link;
    struct rpc_peer *peer;
    Crew__Hello hello;
    Crew__Identity self;
    bool open;
    uint64_t down_since_ms; /* 0: up */
    int attempt;
    char why[256];
};

/* One parameter server. */
struct link {
    struct session *s;
    int ps;
    char name[32];
    struct port port[NUM_PEERS];
    uint64_t incarnation; /* of the server; 0: not met */
    Crew__Phase phase;    /* as last heard */
    uint64_t epoch;
    int64_t global_step;

    struct rpc_call beat;
    bool beating;
    uint64_t next_beat_ms;

    struct rpc_call call; /* the job's */
    enum job job;         /* that the call was begun for */
    bool busy, done;
    uint64_t generation; /* of the job the call was begun for */
    uint64_t retry_ms;   /* not before */
    uint64_t progress_ms;

    uint32_t num_granules;
    uint32_t *granules; /* ids, ascending */
    Crew__Granule *declared;
    Crew__Granule **declared_list;
    uint32_t var_at, granule_at; /* DECLARE: how far */
    uint64_t declare_seq;
    uint32_t vars_sent, granules_sent;

    int cursor;    /* PUSH: into ready_list */
    uint32_t sent; /* PUSH: parts */
    bool end_sent;
    int64_t values_step; /* synchronous: of the values from here; -1: unknown */
    uint8_t *got;        /* [granule][1 + slots]: has come down */
    uint32_t num_got;

    uint32_t num_tables; /* granules of tables */
    uint64_t *versions;  /* room for theirs */
    void *landing;       /* where rows come down */
    size_t landing_size;
};

/* A table's gradient of this step. */
struct session_table {
    struct optim_rows grad;
    char *image; /* a payload a granule, one after the other */
    size_t size;
};

struct poll {
    struct rpc_call call;
    bool busy;
    enum rpc_method method;
    uint64_t retry_ms;
};

struct session {
    uint32_t magic;
    struct session_options o;
    struct rpc_net *net;
    struct placement *placement;
    struct link *links;
    uint32_t *place_in_link; /* by granule id */
    Crew__Variable *variables;
    Crew__Variable **variable_list;
    struct rpc_timer timer;

    uint64_t incarnation;
    uint64_t epoch;
    enum session_stage stage;
    CREW_NULLABLE const char *job_dir; /* the chief's, known since ADOPT */
    bool declined;        /* ADOPT: there is none, or it is not ours */
    uint64_t own_epoch;   /* ADOPT: of this life of the chief */
    uint64_t other_epoch; /* ADOPT: of another job's state; 0: none */
    bool begun;           /* it has been JOINED once */
    bool ended;           /* the job has: see end */
    bool over; /* no further step; the job ends when the chief says so */
    struct trainer_end end;
    struct crew_err failed; /* code 0: not */

    enum session_op op;
    uint64_t op_ms;   /* when it began */
    uint64_t wait_ms; /* the next line about waiting */
    int op_phase;     /* within HOLD, STOP */
    bool interrupted;
    uint64_t interrupt_ms;

    enum job job;
    uint64_t generation;
    bool with_slots; /* PULL */

    uint64_t seq;       /* of the newest step begun */
    uint64_t completed; /* of the newest step that is complete everywhere */
    bool step_active;   /* between NEXT and FINISH */
    bool step_void; /* its ticket and gradients are worth nothing any more */
    bool ticket;    /* one is here for the next step */
    int64_t global_step;
    _Atomic int64_t heard_step; /* other threads look at it */
    int64_t result_step; /* as it was when the newest operation was done */
    const float **grads; /* by variable; of a table: its image */
    struct session_table *tables; /* by variable */
    uint64_t *versions;           /* by granule: of the values we have */
    int *ready_list;
    int num_ready;
    bool finishing;

    struct optim_powers powers[OPTIM_MAX_GROUPS];
    struct optim_step now[OPTIM_MAX_GROUPS]; /* of the step under way */
    int64_t start_step;                      /* INITIALISE */
    Crew__Optimizer optimizers[OPTIM_MAX_GROUPS];
    Crew__Optimizer *optimizer_list[OPTIM_MAX_GROUPS];

    /* Synchronous training. */
    bool sync;
    int64_t ticket_step; /* the update that the ticket is for */
    uint32_t batch;      /* which of ours in it */
    bool update_known;
    Crew__Update update; /* the newest decided */
    Crew__Part *parts, **part_list;
    size_t cap_parts;
    uint64_t dropped, dropped_told_ms;
    Crew__Replicas replicas;

    struct poll poll;  /* TICKET, HOLD, RELEASE */
    uint64_t request;  /* number of the control request */
    bool request_open; /* it has not been answered: a repetition keeps it */
    bool leaving;
    int64_t saved_step;
    Crew__Identity fenced[64]; /* by ps 0, for the others */
    uint32_t num_fenced;

    struct poll await;
    bool await_wanted;
    bool evaluator, evaluator_done;
    uint32_t trainers;
    bool trainers_known;
    char evaluation[512];
    int64_t evaluation_step;
    uint64_t await_until_ms;

    bool in_tick, tick_again, closing;
    int ports_open;
    void (*on_closed)(void *self);
    void *closed_self;
};
#define SESSION_MAGIC 0x73657373u

/* ADOPT: of the state that is there nothing is changed. */
static inline bool session_keeps(const struct session *s)
{
    return s->op == SESSION_ADOPT;
}

static inline uint64_t session_now(const struct session *s)
{
    return s->net->now_ms(s->net);
}

/* session.c */
void session_tick(struct session *);
void op_done(struct session *, const struct crew_err *err);
void op_well(struct session *);
/* The session can do no more: what is under way and all that follows fails. */
void session_fail(struct session *,
                  int code,
                  int exit_code,
                  const char *fmt,
                  ...) __attribute__((format(printf, 4, 5)));
void session_ended(struct session *, const Crew__End *);
/* The chief: a ps has to go. No further step: save, and stop the job so. */
void session_asked(struct session *, const Crew__End *);
void session_self(const struct session *, Crew__Identity *, uint64_t seq);
/* What a server's refusal means for us. True: nothing more to do; false: try
 * again. */
bool session_refused(struct session *,
                     struct link *,
                     CREW_NULLABLE const Crew__Error *,
                     const struct crew_err *);
/* ADOPT: what a ps refuses. False: not because of the state that it has. */
bool session_declined(struct session *,
                      const Crew__Error *,
                      const struct crew_err *);
/* Everything this trainer had of the cluster is void: join anew. */
void session_rejoin(struct session *);
void session_notice(struct session *, enum env_level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* session_link.c */
void links_open(struct session *);
void links_close(struct session *);
void links_beat(struct session *);
void links_reincarnate(struct session *);
bool link_up(const struct link *);
bool links_up(const struct session *);
/* The link that is down the longest, or NULL. */
const struct link *links_worst(const struct session *,
                               uint64_t *down_since_ms,
                               const struct port **);
void links_check(struct session *);

/* session_job.c */
void job_set(struct session *, enum job);
void job_pump(struct session *);
bool job_all_done(const struct session *);
/* Begin the link's call for the current job, on the job's port. ms: as
 * rpc_call_start. */
void job_call(struct link *,
              struct rpc_call,
              enum rpc_method,
              const ProtobufCMessage *request,
              uint64_t ms);
/* In on_done: the call is over. False: it was for an older job, or failed, and
 * nothing more is to be done about it. */
bool job_answered(struct link *,
                  const ProtobufCMessage *reply,
                  CREW_NULLABLE const Crew__Error *,
                  const struct crew_err *);
/* on_done of a job that is done when there is an answer. */
void job_done(struct rpc_call *,
              CREW_NULLABLE const ProtobufCMessage *reply,
              CREW_NULLABLE const Crew__Error *,
              const struct crew_err *);
/* The answer will not do: try again in a moment. */
void job_retry(struct link *);

/* session_join.c */
/* The options' optimizers as DECLARE sends them. */
void declare_describe(struct session *);
/* True when the stage is reached; else it has done what can be done now. */
bool join_advance(struct session *, enum session_stage goal);
void declare_start(struct link *);
void load_start(struct link *);
void ready_start(struct link *);
void pull_start(struct link *);

/* session_step.c */
void push_start(struct link *);
void push_more(struct link *);
bool step_poll_ticket(struct session *, bool leaving);
void step_ticket(struct session *, const Crew__Ticket *);

/* session_rows.c */
#define ROWS_MAX_VERSIONS 4096u
void rows_open(struct session *);
void rows_free(struct session *);
/* What was known of versions is void. */
void rows_forget(struct session *);
/* A granule's part of the table's gradient. */
const void *rows_payload(const struct session *,
                         uint32_t id,
                         CREW_OUT size_t *bytes,
                         CREW_OUT uint64_t *version);
/* The versions of the tables' granules of a link; how many. */
size_t rows_versions(struct link *, CREW_OUT uint64_t **);
/* Can a part have a payload so long: the whole granule, or rows, which are to
 * land in link->landing? */
bool rows_part_fits(const struct link *,
                    const Crew__ValuePart *,
                    uint64_t bytes);
/* A part has come down whole: put rows where they belong. False: some have no
 * place. */
bool rows_take(struct link *, const Crew__ValuePart *, uint64_t bytes);

/* session_sync.c */
/* What is known of values and decisions is void. */
void sync_forget(struct session *);
void sync_free(struct session *);
void sync_keep_update(struct session *, CREW_NULLABLE const Crew__Update *);
/* The newest decided, to carry to a ps; NULL: none. */
Crew__Update *sync_update_of(struct session *);
void sync_ticket(struct session *, const Crew__Ticket *);
/* With a ticket: true when the values it is for are here. */
bool sync_next(struct session *);
/* True when the step is at its end. */
bool sync_finish(struct session *);

/* session_chief.c */
void chief_hold_tick(struct session *);
void chief_release_tick(struct session *);
void chief_stop_tick(struct session *);
void chief_await_tick(struct session *);
void chief_await_pump(struct session *);
void chief_poll_done(struct session *, const ProtobufCMessage *);
void fence_start(struct link *);
void stop_start(struct link *);

/* Begin a request to ps 0, numbered; a repetition keeps its number. */
bool poll_start(struct session *,
                enum rpc_method,
                ProtobufCMessage *,
                Crew__Identity *self);
/* In on_done: the request is over. False: it failed, and nothing more is to be
 * done about it; it may be repeated in again_ms. */
bool poll_answered(struct session *,
                   CREW_NULLABLE const ProtobufCMessage *reply,
                   CREW_NULLABLE const Crew__Error *,
                   const struct crew_err *,
                   uint64_t again_ms);

#endif
