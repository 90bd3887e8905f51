// Publishes what is posted to /pub/CHANNEL with ioredis.
// node ws-publisher.js HOST PORT REDIS_PORT
const { createServer } = require('http');
const Redis = require('ioredis');

const [host, port, redis] = process.argv.slice(2);
const publisher = new Redis(Number(redis));
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (part) => { body += part; });
  request.on('end', async () => {
    await publisher.publish(request.url.slice('/pub/'.length), body);
    response.end('ok');
  });
});
server.listen(Number(port), host, 8192, () => console.log('ready'));
