/* A profile as files: a trace, and a page that needs nothing but a browser. */
#include "bench.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

static int unwritten(const char *path) {
    return infer_cli_fail(INFER_CLI_IO, "%s: %s", path, strerror(errno));
}

int infer_cli_write_trace(const infer_cli_profile *p, const char *path) {
    json_t *events = json_array();
    for (size_t i = 0; i < p->count; i++) {
        const infer_cli_profiled *n = &p->nodes[i];
        json_array_append_new(
            events, json_pack("{s:s, s:s, s:s, s:f, s:f, s:i, s:i, s:{s:s, s:f, s:f, s:f}}", "name",
                              n->op, "cat", n->domain[0] ? n->domain : "ai.onnx", "ph", "X", "ts",
                              (double)n->start / 1e3, "dur", (double)n->took / 1e3, "pid", 1, "tid",
                              1, "args", "node", n->name, "bytes", n->bytes, "operations",
                              n->operations, "share of the limit", n->share));
    }
    json_t *all = json_pack("{s:o, s:s}", "traceEvents", events, "displayTimeUnit", "ns");
    if (!all)
        return infer_cli_fail(INFER_CLI_MODEL, "no memory is left");
    int failed = json_dump_file(all, path, JSON_COMPACT);
    json_decref(all);
    return failed ? unwritten(path) : INFER_CLI_OK;
}

/* Names come from models: nothing of them is markup. */
static void put_text(FILE *to, const char *text) {
    for (; *text; text++)
        switch (*text) {
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '&':
            fputs("&amp;", to);
            break;
        case '"':
            fputs("&quot;", to);
            break;
        default:
            fputc(*text, to);
        }
}

static const char style[] =
    "body{font:14px/1.4 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;"
    "color:#1a1a1a;background:#fff}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{padding:1px 8px 1px 0;text-align:right;white-space:nowrap;font-variant-numeric:"
    "tabular-nums}"
    "td:nth-child(1),td:nth-child(2),th:nth-child(1),th:nth-child(2){text-align:left;max-width:"
    "18em;"
    "overflow:hidden;text-overflow:ellipsis}"
    "td.bar{width:40%;text-align:left}"
    "td.bar div{background:#d9d9d9;height:1em}td.bar i{display:block;background:#2a6db0;height:1em}"
    "@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}td.bar div{background:"
    "#444}td.bar i{background:#6aa5e0}}";

int infer_cli_write_page(const infer_cli_profile *p, const char *path) {
    FILE *to = fopen(path, "w");
    double longest = 1;
    if (!to)
        return unwritten(path);
    for (size_t i = 0; i < p->count; i++)
        longest = p->nodes[i].ns > longest ? p->nodes[i].ns : longest;
    fputs("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
          "content=\"width=device-width\"><title>",
          to);
    put_text(to, p->model);
    fprintf(to, "</title><style>%s</style><h1>", style);
    put_text(to, p->model);
    fprintf(
        to,
        "</h1><p>%.1f µs in %zu nodes, medians of %zu runs, %u thread(s). A bar is a node's "
        "time; its dark part is what the machine would need at %.0f Gop/s a thread and %.1f "
        "GB/s of memory.</p><table><tr><th>operator<th>node<th>µs<th>MB<th>Mop<th>limit<th></tr>\n",
        p->total / 1e3, p->count, p->runs, (unsigned)p->threads, 2 * p->peaks.fma,
        p->peaks.read[INFER_CLI_SIZES - 1]);
    for (size_t i = 0; i < p->count; i++) {
        const infer_cli_profiled *n = &p->nodes[i];
        double share = n->share < 1 ? n->share : 1;
        fputs("<tr><td>", to);
        put_text(to, n->op);
        fputs("<td title=\"", to);
        put_text(to, n->name);
        fputs("\">", to);
        put_text(to, n->name);
        fprintf(to,
                "<td>%.1f<td>%.2f<td>%.2f<td>%.0f%%<td class=\"bar\"><div "
                "style=\"width:%.2f%%\"><i style=\"width:%.1f%%\"></i></div></tr>\n",
                n->ns / 1e3, n->bytes / 1e6, n->operations / 1e6, 100 * n->share,
                100 * n->ns / longest, 100 * share);
    }
    fputs("</table></html>\n", to);
    bool failed = ferror(to);
    return fclose(to) != 0 || failed ? unwritten(path) : INFER_CLI_OK;
}
