// @ts-check
/** The connection: text and pictures in, commands out; it comes back by itself and lets go of everything when lost. */

const HEADER = 24;
const BEAT = 500; // ms between signs of life of the page
const SILENCE = 2500; // ms without a word of the server: the connection is lost

/** @param {ArrayBuffer} data */
export function unpack(data) {
  const view = new DataView(data);
  const count = view.getUint8(1);
  let place = HEADER;
  const block = () => {
    const length = view.getUint32(place, true);
    const found = new Uint8Array(data, place + 4, length);
    place += 4 + length;
    return found;
  };
  const about = JSON.parse(new TextDecoder().decode(block()));
  const blocks = [];
  for (let i = 0; i < count; i += 1) blocks.push(block());
  return {
    kind: view.getUint8(0), format: view.getUint8(2), version: view.getUint8(3), seq: view.getUint32(4, true),
    width: view.getUint16(8, true), height: view.getUint16(10, true), time: view.getUint32(12, true),
    echo: view.getUint32(16, true), number: view.getUint32(20, true), about, blocks,
  };
}

export class Socket {
  /** @param {{text: (m: any) => void, picture: (m: any) => Promise<void>, lost: (is: boolean) => void}} listener */
  constructor(listener) {
    this.listener = listener;
    this.sent = 0; // commands of the trainee, for the test that window and level cause none
    /** @type {Set<number>} */ this.times = new Set();
    this.received = 0;
    this.open = 0;
    this.mostOpen = 0;
    this.heard = performance.now();
    this.pause = 250;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.connect();
    setInterval(() => this.beat(), BEAT);
  }

  get alive() { return this.socket !== null && this.socket.readyState === WebSocket.OPEN; }

  connect() {
    const token = new URLSearchParams(location.search).get("token") ?? "";
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws?token=${encodeURIComponent(token)}`);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => { this.pause = 250; this.open = 0; this.heard = performance.now(); this.listener.lost(false); };
    socket.onmessage = (event) => this.hear(event.data);
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.listener.lost(true);
      setTimeout(() => this.connect(), this.pause);
      this.pause = Math.min(2 * this.pause, 4000);
    };
  }

  /** @param {string | ArrayBuffer} data */
  hear(data) {
    this.heard = performance.now();
    this.received += 1;
    if (typeof data === "string") { this.listener.text(JSON.parse(data)); return; }
    const message = { ...unpack(data), arrival: this.received };
    this.open += 1;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    this.listener.picture(message).finally(() => {
      this.open -= 1;
      this.raw({ kind: "ack", seq: message.seq });
    });
  }

  beat() {
    if (this.alive) this.raw({ kind: "beat" });
    if (this.alive && performance.now() - this.heard > SILENCE) this.socket?.close();
  }

  /** @param {object} message */
  raw(message) { if (this.alive) this.socket?.send(JSON.stringify(message)); }

  /** A command of the trainee, with the page's own clock. @param {object} command */
  send(command) {
    if (!this.alive) return false;
    this.sent += 1;
    const now = Math.round(performance.now());
    this.times.add(now);
    this.raw({ ...command, sent: now });
    return true;
  }

  /** Whether this page sent a command at that time. @param {number} time */
  mine(time) { return this.times.has(time); }
}
