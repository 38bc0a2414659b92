// @ts-check
/** Curves of the last minutes: pressure and volume at the syringe, mean pressure and saturation of the patient. */

/** @param {HTMLCanvasElement} canvas */
export function sized(canvas) {
  const ratio = devicePixelRatio || 1, box = canvas.getBoundingClientRect();
  const width = Math.round(box.width * ratio), height = Math.round(box.height * ratio);
  if (width && (canvas.width !== width || canvas.height !== height)) Object.assign(canvas, { width, height });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, box.width, box.height);
  return { context, width: box.width, height: box.height };
}

export class Trace {
  /** @param {HTMLCanvasElement} canvas @param {number} span @param {{name: string, unit: string, colour: string, low: number, high: number, grow?: boolean, digits?: number, silent?: boolean}[]} lines */
  constructor(canvas, span, lines) {
    Object.assign(this, { canvas, span, lines });
    this.canvas = canvas; this.span = span; this.lines = lines;
    /** @type {number[][]} */ this.points = [];
  }

  clear() { this.points = []; }

  /** @param {number} time @param {number[]} values */
  add(time, values) {
    const last = this.points[this.points.length - 1];
    if (last && time < last[0]) this.points = [];
    if (last && time - last[0] < 0.2) return;
    this.points.push([time, ...values]);
    while (this.points.length && time - this.points[0][0] > this.span) this.points.shift();
    this.draw(time);
  }

  /** @param {number} now */
  draw(now) {
    const { context, width, height } = sized(this.canvas);
    if (!width) return;
    context.font = "600 13px system-ui, sans-serif";
    context.strokeStyle = "#262c33";
    for (let k = 1; k < 4; k += 1) { context.beginPath(); context.moveTo((width * k) / 4, 0); context.lineTo((width * k) / 4, height); context.stroke(); }
    this.lines.forEach((line, index) => {
      const values = this.points.map((point) => point[index + 1]);
      const top = line.grow ? Math.max(line.high, ...values.map((v) => v * 1.15)) : line.high;
      context.strokeStyle = line.colour;
      context.lineWidth = 1.6;
      context.beginPath();
      this.points.forEach((point, k) => {
        const x = width * (1 - (now - point[0]) / this.span), y = height - 3 - (height - 22) * Math.min(1, Math.max(0, (values[k] - line.low) / (top - line.low)));
        if (k) context.lineTo(x, y); else context.moveTo(x, y);
      });
      context.stroke();
      context.fillStyle = line.colour;
      context.textAlign = index % 2 ? "right" : "left";
      if (!line.silent) context.fillText(`${line.name} ${values.length ? values[values.length - 1].toFixed(line.digits ?? 0) : "–"} ${line.unit}`, index % 2 ? width - 4 : 4, 13);
    });
  }
}
