// The little of `ws` that the tests use; it comes with OpenClaw's own client, without types.
declare module 'ws' {
	import type {EventEmitter} from 'node:events';
	import type {IncomingMessage, Server} from 'node:http';

	export class WebSocket extends EventEmitter {
		readonly readyState: number;
		readonly bufferedAmount: number;
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
