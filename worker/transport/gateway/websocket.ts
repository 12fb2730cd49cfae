import type {Duplex} from 'node:stream';
import {WebSocket} from 'ws';

/** The largest frame that is taken, in bytes: a full list of 256 requests is a tenth of it. */
const MAX_FRAME = 4 * 2 ** 20;

/**
 * A WebSocket over a stream that leads to a gateway, wherever that stream comes from; `url` is only what the gateway is called. Nothing is offered to
 * be compressed, since a small compressed frame may be a large one.
 */
export function webSocketOver(stream: Duplex, url: string): WebSocket {
	return new WebSocket(url, {createConnection: () => stream, maxPayload: MAX_FRAME, perMessageDeflate: false});
}
