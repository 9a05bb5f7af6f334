// Drives a function through @vercel/fun, which stops its process between invocations.
// Usage: node fun.js FOLDER PAUSE_MS < events, one JSON a line; writes an answer's JSON for each.
const { createFunction } = require(require.resolve('@vercel/fun', { paths: [process.env.INFER_NPM_DIR] }));

async function main() {
  const [folder, pause] = process.argv.slice(2);
  const events = require('fs').readFileSync(0, 'utf8').split('\n').filter(Boolean);
  const fn = await createFunction({ Code: { Directory: folder }, Handler: 'h', Runtime: 'provided' });
  try {
    for (const [number, Payload] of events.entries()) {
      if (number) await new Promise((done) => setTimeout(done, Number(pause)));
      const result = await fn.invoke({ InvocationType: 'RequestResponse', Payload });
      console.log(JSON.stringify(result));
    }
  } finally {
    await fn.destroy();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
