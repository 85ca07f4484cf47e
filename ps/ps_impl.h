/* SPDX-License-Identifier: Apache-2.0
 * What the files of the parameter server share. Internal to ps. Threads: the
 * net's. */
#ifndef PS_PS_IMPL_H
#define PS_PS_IMPL_H

#include "ps.h"

#include "answer.h"
#include "declare.h"
#include "end.h"
#include "members.h"
#include "rpc/server.h"
#include "settings.h"
#include "shard.h"
#include "stage.h"
#include "steps.h"
#include "sync.h"

/* Calls that are answered later: at most one of a kind a connection. */
enum wait_kind {
    WAIT_TICKET,
    WAIT_HOLD,
    WAIT_EVALUATOR,
    WAIT_AWAIT,
    NUM_WAITS
};

struct waiter {
    bool active;
    uint64_t call_id;
    uint64_t deadline_ms;
    uint64_t seq;  /* TICKET: the completed step */
    bool settle;   /* TICKET: its fate will do */
    int64_t known; /* EVALUATOR: the save it knows of */
};

/* State of a different model whose bytes may still be on their way out. */
struct grave {
    struct shard *shard;
    int links; /* connections that must be gone first */
};

/* One connection that has said HELLO. */
struct link {
    uint32_t magic;
    struct ps *ps;
    struct rpc_session *session;
    struct link *next, *prev;
    int member; /* -1: a tool */
    uint64_t incarnation;
    struct replicas replicas; /* a trainer's settings */
    bool control;
    bool closing; /* nothing is sent any more */
    struct waiter wait[NUM_WAITS];
    struct declaration declaration; /* under way, by this trainer */
    uint64_t push_call;    /* the PUSH_PULL that parts are answered to */
    uint64_t refused_call; /* the call whose error has been sent */
    bool alone; /* nobody else trains: its values are answered part by part */
    uint64_t load_call;
    void *buffer; /* gradients land here, one granule at a time */
    size_t buffer_size;
    struct answer_room answers;
    struct grave *grave;
    Crew__AwaitReply told; /* what AWAIT has last answered */
    bool told_once;
};
#define LINK_MAGIC 0x6c696e6bu

/* An error answer with room for its text. */
struct refusal {
    Crew__Error error;
    char text[1024];
};

struct ps {
    uint32_t magic;
    struct ps_options o;
    struct rpc_net *net;
    struct rpc_server *server;
    struct rpc_timer tick;
    struct link *links;
    uint64_t opened_ms;

    Crew__Phase phase;
    uint64_t epoch;
    struct declaration declaration; /* the chief's */
    char *job;                      /* whose state it is; NULL: nobody's yet */
    struct shard *shard;            /* NULL until declared */
    struct members members;
    struct steps steps;
    bool replicas_known;      /* a chief has said HELLO: */
    struct replicas replicas; /* the job's settings, which are its */
    struct replicas trained;  /* the same, as they were at READY */
    struct sync sync;         /* ps 0 decides by it */
    struct stage *stage;      /* NULL: asynchronous */
    Crew__Part *parts;        /* room for messages, by member */
    Crew__Part **part_list;
    struct sync_part *scratch;
    struct end_state end;
    bool over;

    bool evaluator_done;
    char result[512]; /* the evaluator's newest line */
    int64_t result_step;

    /* What on_hello answers with: packed after it has returned. */
    struct refusal hello_refusal;
    Crew__Identity hello_id;
    Crew__End hello_end;

    void (*on_closed)(void *self);
    void *closed_self;
};
#define PS_MAGIC 0x70735f30u

static inline uint64_t ps_now(const struct ps *ps)
{
    return ps->net->now_ms(ps->net);
}

/* judge.c: may this caller do that? Fills the refusal and returns false when
 * not. */
bool judge_incarnation(struct ps *,
                       const Crew__Identity *,
                       int *member,
                       struct refusal *);
/* The same, and the epoch is the current one, the job has not ended, and the
 * phase is READY (or LOADING, when that is enough). */
bool judge_state(struct ps *,
                 const Crew__Identity *,
                 bool loading_will_do,
                 int *member,
                 struct refusal *);
/* The same of what only the chief may do. */
bool judge_chief(struct ps *,
                 const Crew__Identity *,
                 bool loading_will_do,
                 struct refusal *);
void refuse(struct refusal *,
            enum crew_code,
            int exit_code,
            Crew__Refusal,
            const char *fmt,
            ...) __attribute__((format(printf, 5, 6)));
void refuse_err(struct refusal *, const struct crew_err *);
/* 0: welcome; -1: refused. *member -1: a tool. */
int judge_hello(struct ps *,
                const Crew__Hello *,
                CREW_OUT int *member,
                CREW_OUT struct replicas *,
                struct refusal *);

/* store.c: DECLARE, LOAD, READY, PULL. */
void store_declare(struct link *,
                   uint64_t call_id,
                   const Crew__DeclareRequest *);
void store_load(struct link *, uint64_t call_id, const Crew__LoadRequest *);
void *store_load_dest(struct link *, const struct rpc_in *);
void store_load_part(struct link *, const struct rpc_in *, void *payload);
void store_ready(struct link *, uint64_t call_id, const Crew__ReadyRequest *);
void store_pull(struct link *, uint64_t call_id, const Crew__PullRequest *);
void store_release(struct ps *);
void grave_leave(struct link *);

/* update.c: synchronous training. */
void update_init(struct ps *);
void update_release(struct ps *);
/* What ps 0 has decided last, in `message`; NULL: nothing. */
Crew__Update *update_message(struct ps *, Crew__Update *message);
/* Make an update that is told here, unless it has been made. */
bool update_make(struct ps *,
                 CREW_NULLABLE const Crew__Update *,
                 struct refusal *);
bool update_make_own(struct ps *, struct refusal *);
/* Who has been without a connection for a while is away. */
void update_away(struct ps *, uint64_t now_ms);
/* Decide the next one, if it is time. */
void update_decide(struct ps *);

/* push.c: PUSH_PULL. */
void push_request(struct link *,
                  uint64_t call_id,
                  const Crew__PushPullRequest *);
void *push_dest(struct link *, const struct rpc_in *);
void push_part(struct link *, const struct rpc_in *, void *payload);
/* Room for one payload. NULL: too large, or no memory. */
void *link_buffer(struct link *, uint64_t size);

/* meet.c: what ps 0 does as the meeting point. */
void meet_ticket(struct link *, uint64_t call_id, const Crew__TicketRequest *);
void meet_hold(struct link *, uint64_t call_id, const Crew__HoldRequest *);
void meet_release(struct link *,
                  uint64_t call_id,
                  const Crew__ReleaseRequest *);
void meet_evaluator(struct link *,
                    uint64_t call_id,
                    const Crew__EvaluatorRequest *);
void meet_await(struct link *, uint64_t call_id, const Crew__AwaitRequest *);
void meet_stop(struct link *, uint64_t call_id, const Crew__StopRequest *);
void meet_heartbeat(struct link *,
                    uint64_t call_id,
                    const Crew__HeartbeatRequest *);
/* Something has changed: answer those who waited for it. */
void meet_flush(struct ps *);
void meet_count(struct ps *, int member, uint64_t seq);
bool meet_evaluator_awaited(const struct ps *);
void meet_end(const struct ps *, Crew__End *);

/* server.c */
void ps_notice(struct ps *, enum env_level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void ps_self(const struct ps *, Crew__Identity *);
void ps_told(struct ps *, int exit_code, int64_t step, const char *reason);
/* A member's incarnation is fenced: its tickets return, its connections are
 * closed. */
void ps_fenced(struct ps *, int member, uint64_t incarnation);
/* Whether it is the one that said HELLO on this connection. If not, the frame
 * is the late double of another process's: it is dropped without an answer,
 * which would go to whatever call of the new process has the same number. */
bool link_speaks(const struct link *, CREW_NULLABLE const Crew__Identity *);
void link_close(struct link *);
void link_error(struct link *,
                enum rpc_method,
                uint64_t call_id,
                const struct refusal *);

#endif
