// Holds pages with ws. Each page subscribes to its channel with ioredis.
// node ws.js HOST PORT REDIS_PORT
const { createServer } = require('http');
const Redis = require('ioredis');
const { WebSocketServer } = require('ws');

const [host, port, redis] = process.argv.slice(2);
const subscriber = new Redis(Number(redis));
const pages = new Map();
const server = createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false });

subscriber.on('message', (channel, message) => pages.get(channel)?.send(message));
sockets.on('connection', (socket, request) => {
  const channel = request.url.slice('/ws/'.length);
  pages.set(channel, socket);
  subscriber.subscribe(channel);
  socket.on('close', () => {
    pages.delete(channel);
    subscriber.unsubscribe(channel);
  });
});
server.listen(Number(port), host, 8192, () => console.log('ready'));
