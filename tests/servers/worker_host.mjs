// Serves a Cloudflare Worker's default export over HTTP on loopback, in Node: requests as they come, bytes untouched.
// Arguments: the module, its environment as JSON. Prints its port. Ends with its standard input.
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [module, environment] = process.argv.slice(2);
const { default: worker } = await import(pathToFileURL(module).href);
const server = createServer(async (incoming, outgoing) => {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const request = new Request(`http://${incoming.headers.host}${incoming.url}`, {
    method: incoming.method,
    headers: Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
    body: incoming.method === "GET" ? undefined : Buffer.concat(chunks),
  });
  const response = await worker.fetch(request, JSON.parse(environment));
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(Buffer.from(await response.arrayBuffer()));
});
server.listen(0, "127.0.0.1", () => process.stderr.write(`${server.address().port}\n`));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
