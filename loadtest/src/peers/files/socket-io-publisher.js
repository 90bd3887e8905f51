// Emits what is posted to /pub/SCENE to the room of the scene, with Socket.IO's Redis emitter.
// node socket-io-publisher.js HOST PORT REDIS_PORT
const { createServer } = require('http');
const { Emitter } = require('@socket.io/redis-emitter');
const Redis = require('ioredis');

const [host, port, redis] = process.argv.slice(2);
const emitter = new Emitter(new Redis(Number(redis)));
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (part) => { body += part; });
  request.on('end', () => {
    emitter.to(request.url.slice('/pub/'.length)).emit('login', body);
    response.end('ok');
  });
});
server.listen(Number(port), host, 8192, () => console.log('ready'));
