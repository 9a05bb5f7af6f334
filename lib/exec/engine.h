/* The engine: a graph image resolved to operators, and the contexts that run it. */
#ifndef INFER_EXEC_ENGINE_H
#define INFER_EXEC_ENGINE_H

#include "model.h"
#include "op.h"
#include "places.h"
#include "pool.h"

#include <stdatomic.h>

/* ---- program: what all contexts of a model share ---- */

typedef struct infer_step {
    const infer_op *op;
    const infer_image_node *node;
    const void *params;
} infer_step;

#define INFER_SPARE_CONTEXTS 16

/* The steps, inputs and outputs of a graph; number 0 is the model's. */
typedef struct infer_subgraph {
    uint32_t first, end;              /* steps */
    const uint32_t *inputs, *outputs; /* value numbers, INFER_IMAGE_NONE where there is none */
    uint32_t in_count, out_count;
} infer_subgraph;

struct infer_program {
    infer_kernels kernels; /* the model's, and those that only graphs use */
    infer_step *steps;
    size_t step_count;
    infer_view *constants; /* one view a value: constants complete, others rank -1 */
    uint32_t *last_use;    /* of each value: number of the last step that reads it; what leaves a
                              graph: the number behind its last */
    infer_subgraph *graphs;
    uint32_t *ports;       /* the values of the model's inputs and outputs */
    infer_string *strings; /* elements of all string constants */
    size_t string_count, graph_count, port_count;
    /* Contexts that infer_predict left for the next caller. */
    _Atomic(infer_context *) spare[INFER_SPARE_CONTEXTS];
};

infer_status infer_program_new(infer_model *model, infer_program **program);
void infer_program_free(infer_model *model, infer_program *program);

/* The class labels that a classifier's node or a ZipMap carries. */
infer_status infer_program_labels(infer_model *model, infer_labels *labels);

/* The program of a model, made at the first call for linear models. Threads may race for it. */
infer_status infer_program_of(infer_model *model, infer_program **program);

/* ---- memory of a context ---- */

#define INFER_BUDGET_HOLES 16

/* A budget counts what is held and keeps to a limit; with a block it hands out the block's memory:
 * from the lowest hole that is large enough, else from its end. */
typedef struct infer_budget {
    infer_allocator backing;
    size_t held, limit;
    size_t refused; /* what was asked for when it last said no */
    char *block;
    size_t block_size, block_used;
    struct {
        size_t offset, size;
    } holes[INFER_BUDGET_HOLES]; /* below block_used, sorted; more than these are lost */
    size_t hole_count;
} infer_budget;

infer_allocator infer_budget_allocator(infer_budget *budget);

/* ---- context ---- */

typedef enum infer_step_state {
    INFER_STEP_PLANNED, /* shapes known, outputs placed */
    INFER_STEP_FOLDED,  /* values known since planning */
    INFER_STEP_ALIAS,   /* output 0 is input 0's data */
    INFER_STEP_DYNAMIC  /* shapes depend on data: inferred and placed while running */
} infer_step_state;

#define INFER_KEPT_PLANS   8
#define INFER_SPARE_PIECES 16

typedef struct infer_kept_plan infer_kept_plan; /* kept.c */

/* What a graph needs to run: its plan and the memory for it. Bodies never call one another in
 * circles, so that one for each graph suffices. */
typedef struct infer_frame {
    infer_context *context;
    uint32_t graph;
    infer_arena planned; /* values known at planning; until the next plan */
    infer_arena dynamic; /* of one run */
    struct {
        void *data;
        size_t size;
    } spare[INFER_SPARE_PIECES]; /* of its memory what nobody reads any more; more are lost */
    size_t spare_count;
    uint64_t runs;          /* so many, this one included */
    infer_arena results[2]; /* what a body gave, and gave before that */
    uint8_t turn;           /* the next of them */
    char *memory;           /* planned intermediates, then scratch; it only grows */
    size_t memory_size, scratch_offset, scratch_size;
    infer_places places; /* of the intermediates */
    infer_view *seen;    /* inputs that the plan was made for, with the data that it relies on */
    bool is_planned;
    infer_kept_plan *kept[INFER_KEPT_PLANS]; /* or NULL */
    infer_kept_plan *now; /* of them the one that the plan in use goes back to, or NULL */
    uint64_t turns;       /* grows with each change of plans */
} infer_frame;

struct infer_context {
    infer_model *model;
    infer_program *program;
    infer_budget budget;
    infer_allocator allocator; /* the budget's */
    infer_arena tables;        /* lives as long as the context */
    infer_frame *frames;       /* one a graph */
    infer_view *values;        /* one a value */
    infer_view *given;         /* the model's outputs as the caller gets them */
    infer_view **edges;        /* one an entry of the image's edges; NULL for absent */
    uint64_t *born;            /* one a value: the run of its frame in which a dynamic step gave it
                                  memory of its own, or 0 */
    uint8_t *state;            /* infer_step_state a step */
    infer_op_env *envs;        /* one a step, made by planning */
    uint32_t workers;          /* threads of its runs */
    infer_pool *pool;          /* they come from it; NULL where there is one */
    float part_cost;           /* of the env; tests lower it */
    bool owns_pool, has_planned;
    uint64_t calls; /* of bodies that the run may still make */
    bool has_run;
    infer_node_observer *observer; /* or NULL */
    void *observer_user;
};

/* workers: as `threads` in the options. It has no pool yet. */
infer_status infer_context_open(infer_model *model, infer_budget budget, uint32_t workers,
                                infer_context **context);

/* Plans where the inputs now in context->values have other shapes than those planned for, then runs
 * all steps. */
infer_status infer_run_frame(infer_frame *f);

infer_status infer_execute(infer_frame *f);

/* What a plan is for. */
typedef enum infer_plan_use {
    INFER_PLAN_RUN,   /* a run: what the inputs hold now says nothing about the next one */
    INFER_PLAN_AHEAD, /* a run of a body that will come: data of inputs follow from shapes */
    INFER_PLAN_SHAPES /* the shapes of a body that may be run: nothing is placed */
} infer_plan_use;

/* Plans for the inputs now in context->values. */
infer_status infer_plan(infer_frame *f, infer_plan_use use);

/* kept.c: has a plan for the inputs now in context->values, one that was kept or a new one. One for
 * shapes alone is in context->values until the next. */
infer_status infer_plan_for_inputs(infer_frame *f, infer_plan_use use);
/* Forgets the plans that are not in use; whether there were any. */
bool infer_drop_plans(infer_frame *f);

/* plan_bodies.c: gives the outputs of a step that infer has seen the shapes that its bodies plan
 * for them, and the data where it is sure which body runs. */
infer_status infer_ask_bodies(infer_frame *f, uint32_t step, infer_plan_use wanted);

bool infer_all_concrete(infer_view *const *views, uint32_t count);

/* dynamic.c */
infer_status infer_run_dynamic(infer_frame *f, size_t step);

/* The envs of the frame's steps, with the context's views; and the scratch that they have. */
void infer_make_envs(infer_frame *f);
void infer_lend_scratch(infer_frame *f);

/* frame.c: what a step's env offers. */
void *infer_frame_alloc(infer_op_env *env, size_t size);
void infer_frame_parallel(infer_op_env *env, size_t parts, size_t worth, infer_work *work,
                          void *arg);
uint64_t infer_frame_entropy(infer_op_env *env);
bool infer_frame_port(infer_op_env *env, uint32_t graph, bool output, uint32_t index,
                      infer_view *view);
infer_status infer_frame_call(infer_op_env *env, uint32_t graph, const infer_view *const *in,
                              uint32_t in_count, infer_view *out, uint32_t out_count, bool keep);

/* A copy of a value with all that it holds, in an arena. */
infer_status infer_keep(infer_arena *arena, const infer_view *from, infer_view *to);

/* Sets the inputs, plans where their shapes are new, and runs. */
infer_status infer_run_inputs(infer_context *c, const char *const *names, const infer_value *inputs,
                              size_t count);

/* Puts step's node name and operator before the message. */
infer_status infer_step_failed(const infer_context *c, size_t step, infer_status status);

/* The number of the input or output that has a name. */
infer_status infer_port_index(const infer_image *m, const infer_image_port *ports, size_t count,
                              const char *name, const char *what, uint32_t *index);

/* A refusal of the budget is the limit's, not the machine's. */
infer_status infer_limited(const infer_budget *b, infer_status status);

/* Whether a value has the type and shape that an input asks for. */
infer_status infer_fits_port(const infer_image *m, const infer_image_port *p, const infer_view *v);

/* Sets input number index from a caller's value, checking type and shape against the model. */
infer_status infer_set_input(infer_context *c, uint32_t index, const infer_value *value);

#endif
