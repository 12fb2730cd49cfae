// The little of `ws` that the tests use; it comes with OpenClaw's own client, without types.
declare module 'ws' {
	import type {EventEmitter} from 'node:events';
	import type {IncomingMessage, Server} from 'node:http';
	import type {Socket} from 'node:net';

	export class WebSocket extends EventEmitter {
		readonly readyState: number;
		readonly bufferedAmount: number;
		/** The connection below; there is no other way to write many frames at once. */
		readonly _socket: Socket;
		send(data: string | Buffer, sent?: (error?: Error) => void): void;
		close(code?: number, reason?: string): void;
		terminate(): void;
	}

	export class WebSocketServer extends EventEmitter {
		constructor(options: {readonly server: Server});
		on(event: 'connection', listener: (socket: WebSocket, request: IncomingMessage) => void): this;
		close(done?: () => void): void;
	}
}
