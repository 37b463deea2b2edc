// Stands before the endpoint for a client that cannot send credentials: adds them, and takes its own address for the endpoint's.
import http from 'node:http';

const { ENDPOINT, API_KEY } = process.env;
const endpoint = new URL(ENDPOINT);

const relay = http.createServer((request, response) => {
  const own = `http://localhost:${relay.address().port}`;
  const headers = { ...request.headers, host: endpoint.host, authorization: `Bearer ${API_KEY}` };
  if (headers.origin === own) headers.origin = endpoint.origin;
  const forwarded = http.request(endpoint, { method: request.method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  forwarded.on('error', (error) => response.destroy(error));
  request.pipe(forwarded);
});
relay.listen(0, 'localhost', () => console.log(relay.address().port));
