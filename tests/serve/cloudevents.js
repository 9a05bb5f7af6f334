// Sends events with the JavaScript SDK of CloudEvents and reads what comes back with it.
// Usage: node cloudevents.js URL < requests; each line is {"mode", "event"}, each answer a line {"status", "event"}.
const dir = process.env.INFER_NPM_DIR;
const { CloudEvent, HTTP, emitterFor, httpTransport, Mode } = require(require.resolve('cloudevents', { paths: [dir] }));

async function send(url, { mode, event }) {
  const message = HTTP[mode](new CloudEvent(event));
  const reply = await fetch(url, { method: 'POST', headers: message.headers, body: message.body });
  const body = await reply.text();
  const headers = Object.fromEntries(reply.headers);
  return { status: reply.status, event: reply.ok ? HTTP.toEvent({ headers, body }) : body };
}

async function main() {
  const url = process.argv[2];
  for (const line of require('fs').readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
    const request = JSON.parse(line);
    if (request.mode === 'emitter') {
      const emit = emitterFor(httpTransport(url), { mode: Mode.BINARY });
      const reply = await emit(new CloudEvent(request.event));
      console.log(JSON.stringify({ status: 200, event: HTTP.toEvent({ headers: reply.headers, body: reply.body }) }));
    } else {
      console.log(JSON.stringify(await send(url, request)));
    }
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
