/** The smallest question that shows a broker at work: who are the brokers? Only one that serves is named in the answer. */

const metadataApi = 3;
const apiVersion = 4;
const correlationId = 1;

/** Metadata request, version 4, for no topic. */
export function metadataRequest(): Buffer {
  const clientId = Buffer.from('syncline-stack');
  const body = Buffer.alloc(4 + 2 + 2 + 4 + 2 + clientId.length + 4 + 1);
  let at = body.writeInt32BE(body.length - 4, 0);
  at = body.writeInt16BE(metadataApi, at);
  at = body.writeInt16BE(apiVersion, at);
  at = body.writeInt32BE(correlationId, at);
  at = body.writeInt16BE(clientId.length, at);
  at += clientId.copy(body, at);
  at = body.writeInt32BE(0, at);
  body.writeInt8(0, at);
  return body;
}

/** Size, correlation id and throttle time come before the list of brokers. */
export function namesABroker(answer: Buffer): boolean {
  return answer.readInt32BE(4) === correlationId && answer.readInt32BE(12) > 0;
}
