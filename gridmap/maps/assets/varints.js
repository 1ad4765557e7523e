/* How a payload is unpacked: whole numbers of seven bits a byte, differences, lengths. */

/** Read variable-length integers, seven bits a byte, low bits first. */
export function varints(base64) {
  const text = atob(base64);
  const out = [];
  let value = 0;
  let scale = 1;
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i);
    value += (byte & 127) * scale;
    if (byte & 128) {
      scale *= 128;
    } else {
      out.push(value);
      value = 0;
      scale = 1;
    }
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
