// Holds pages with Socket.IO. Each page joins the room of its scene; the Redis adapter brings what others emit.
// node socket-io.js HOST PORT REDIS_PORT
const { createServer } = require('http');
const { createAdapter } = require('@socket.io/redis-adapter');
const Redis = require('ioredis');
const { Server } = require('socket.io');

const [host, port, redis] = process.argv.slice(2);
const server = createServer();
const adapter = createAdapter(new Redis(Number(redis)), new Redis(Number(redis)));
const io = new Server(server, { adapter, perMessageDeflate: false });

io.on('connection', (socket) => socket.join(socket.handshake.query.scene));
server.listen(Number(port), host, 8192, () => console.log('ready'));
