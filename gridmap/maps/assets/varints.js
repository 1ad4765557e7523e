/* How a payload is unpacked: whole numbers of seven bits a byte, differences, lengths. */

/** Read variable-length integers, seven bits a byte, low bits first. */
export function varints(base64) {
  const text = atob(base64);
  const out = new Float64Array(text.length);
  let count = 0;
  let value = 0;
  let scale = 1;
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i);
    value += (byte & 127) * scale;
    if (byte & 128) {
      scale *= 128;
    } else {
      out[count++] = value;
      value = 0;
      scale = 1;
    }
  }
  return out.subarray(0, count);
}

/** Read a column of numbers, null where there is none; what was not packed is as it came. */
export function numbers(sent) {
  if (Array.isArray(sent)) return sent;
  const parts = varints(sent.runs === undefined ? sent.each : sent.runs);
  const unit = Math.pow(10, sent.digits);
  const one = (value) => (value ? signed(value - 1) / unit : null);
  if (sent.runs === undefined) return Array.from(parts, one);
  const out = [];
  for (let i = 0; i < parts.length; i += 2) {
    const value = one(parts[i]);
    for (let k = 0; k < parts[i + 1]; k++) out.push(value);
  }
  return out;
}

/** Read rising numbers from their gaps: upper bits as noughts before a one, then the lower bits. */
export function rising(sent) {
  const text = atob(sent.text);
  const out = new Uint32Array(sent.count);
  let at = 0;
  let last = 0;
  const bit = () => (text.charCodeAt(at >> 3) >> (at++ & 7)) & 1;
  for (let i = 0; i < out.length; i++) {
    let gap = 0;
    while (!bit()) gap++;
    gap *= 1 << sent.bits;
    for (let k = 0; k < sent.bits; k++) gap += bit() << k;
    out[i] = last += gap;
  }
  return out;
}

/** Undo zigzag: 0, 1, 2, 3 stand for 0, -1, 1, -2. */
export function signed(value) {
  return value % 2 ? -(value + 1) / 2 : value / 2;
}

/** Return where each stretch starts, from their lengths. */
export function running(lengths) {
  const out = new Uint32Array(lengths.length + 1);
  for (let i = 0; i < lengths.length; i++) out[i + 1] = out[i] + lengths[i];
  return out;
}
