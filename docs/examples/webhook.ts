/**
 * Receives codex-assets' webhooks in a Cloudflare Worker: verifies the signature, then reads the body. It uses only
 * WebCrypto, no packages. `verifyWebhook` works in any runtime with `fetch` types; the default export is a Worker that
 * uses it.
 *
 * The signature covers the exact bytes of the body, so verify them before you parse them:
 *
 *   X-RunPod-Signature: lower-case hex HMAC-SHA256 of the body                      WEBHOOK_SIGNATURE=body (default)
 *                       ... of `{X-RunPod-Timestamp}.{body}`, unix seconds          WEBHOOK_SIGNATURE=timestamped
 *
 * Answers: a 2xx accepts the webhook. After a 5xx (a fault of your own) or a 429 it is sent again, for about a minute;
 * any other 4xx is final. The same webhook may arrive twice: X-Codex-Delivery is the same for the same body.
 */

export interface WebhookOptions {
  /** The endpoint's WEBHOOK_SIGNATURE. Never accept both: a sender could choose the one without a time. */
  signature?: "body" | "timestamped";
  /** By how many seconds a timestamp may differ from now, in either direction. */
  toleranceSeconds?: number;
  /** Unix seconds, for tests. */
  now?: () => number;
}

export interface Loudness {
  /** LUFS, dBTP and LU, each times 100. */
  integrated: number;
  peak: number;
  range: number;
}

export interface Webhook {
  id: string;
  status: "completed" | "failed";
  output: {
    mediaId?: string;
    mediaType?: "video" | "audio";
    hlsMasterPlaylistKey?: string;
    hlsPreviewKey?: string;
    thumbnailKey?: string;
    waveformKey?: string;
    waveformImageKey?: string;
    mezzanineKey?: string;
    durationSeconds?: number;
    width?: number;
    height?: number;
    readyVariants?: string[];
    loudness?: Loudness;
    warnings?: string[];
  };
  error?: string;
  errorCode?: string;
  retryable?: boolean;
}

export type Verified =
  | { ok: true; webhook: Webhook; deliveryId: string | null }
  | { ok: false; status: 400 | 401 | 413; reason: string };

const LARGEST_BODY = 1 << 20;
const TOLERANCE_SECONDS = 300;

/**
 * The webhook in `request`, if one of `secrets` signed it. Pass two secrets during rotation: the new and the old one.
 *
 * Throws if no secret is set, or if one is an unresolved placeholder; the answer is then a 5xx.
 */
export async function verifyWebhook(
  request: Request,
  secrets: readonly string[],
  options: WebhookOptions = {},
): Promise<Verified> {
  const usable = secrets.filter((secret) => secret.trim() !== "");
  if (usable.length === 0 || usable.some((secret) => secret.includes("{{"))) {
    throw new Error("no usable webhook secret is configured");
  }
  const announced = Number(request.headers.get("Content-Length") ?? 0);
  if (announced > LARGEST_BODY) {
    return { ok: false, status: 413, reason: "the body is too large" };
  }
  const body = new Uint8Array(await request.arrayBuffer());
  if (body.byteLength > LARGEST_BODY) {
    return { ok: false, status: 413, reason: "the body is too large" };
  }

  const signature = fromHex(request.headers.get("X-RunPod-Signature") ?? "");
  if (signature === null) {
    return { ok: false, status: 401, reason: "the signature is missing or malformed" };
  }
  let message = body;
  let sentAt: number | null = null;
  if (options.signature === "timestamped") {
    const timestamp = request.headers.get("X-RunPod-Timestamp") ?? "";
    if (!/^[0-9]{1,12}$/.test(timestamp)) {
      return { ok: false, status: 401, reason: "the timestamp is missing or malformed" };
    }
    sentAt = Number(timestamp);
    message = concatenated(new TextEncoder().encode(`${timestamp}.`), body);
  }

  let verified = false;
  for (const secret of usable) {
    const key = await crypto.subtle.importKey(
      "raw",
      new TextEncoder().encode(secret),
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["verify"],
    );
    // Compares in constant time, and always tries every secret, so that the time does not reveal which one matched.
    verified = (await crypto.subtle.verify("HMAC", key, signature, message)) || verified;
  }
  if (!verified) {
    return { ok: false, status: 401, reason: "the signature is not right" };
  }
  // Checked after the signature, because an unsigned time proves nothing.
  const now = options.now?.() ?? Date.now() / 1000;
  if (sentAt !== null && Math.abs(now - sentAt) > (options.toleranceSeconds ?? TOLERANCE_SECONDS)) {
    return { ok: false, status: 401, reason: "the timestamp is too old or too early" };
  }

  let webhook: unknown;
  try {
    webhook = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(body));
  } catch {
    return { ok: false, status: 400, reason: "the body is no JSON" };
  }
  if (!isWebhook(webhook)) {
    return { ok: false, status: 400, reason: "the body is no webhook" };
  }
  return { ok: true, webhook, deliveryId: request.headers.get("X-Codex-Delivery") };
}

function isWebhook(value: unknown): value is Webhook {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  const { id, status, output } = value as Record<string, unknown>;
  return (
    typeof id === "string" &&
    (status === "completed" || status === "failed") &&
    typeof output === "object" &&
    output !== null
  );
}

/** 32 bytes of lower-case hex, or null. */
function fromHex(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[0-9a-f]{64}$/.test(text)) {
    return null;
  }
  const bytes = new Uint8Array(32);
  for (let index = 0; index < 32; index += 1) {
    bytes[index] = Number.parseInt(text.slice(2 * index, 2 * index + 2), 16);
  }
  return bytes;
}

function concatenated(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(first.byteLength + second.byteLength);
  whole.set(first);
  whole.set(second, first.byteLength);
  return whole;
}

// --- A Worker that receives them ------------------------------------------------------------------------------------

export interface Env {
  WEBHOOK_SECRET: string;
  /** The other secret, during rotation. */
  WEBHOOK_SECRET_OLD?: string;
  /** The same as the endpoint's; `body` if it is not set. */
  WEBHOOK_SIGNATURE?: string;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (request.method !== "POST") {
      return Response.json({ error: "only POST" }, { status: 405, headers: { Allow: "POST" } });
    }
    let result: Verified;
    try {
      result = await verifyWebhook(request, [env.WEBHOOK_SECRET ?? "", env.WEBHOOK_SECRET_OLD ?? ""], {
        signature: env.WEBHOOK_SIGNATURE === "timestamped" ? "timestamped" : "body",
      });
    } catch {
      // The answer does not say what went wrong; the log does.
      return Response.json({ error: "not configured" }, { status: 500 });
    }
    if (!result.ok) {
      return Response.json({ error: result.reason }, { status: result.status });
    }
    const { webhook } = result;
    // Find the media by webhook.output.mediaId here, and store the result. A second delivery must change nothing.
    console.log(`${webhook.id} ${webhook.status} ${webhook.output.mediaId ?? "?"}`);
    return Response.json({ received: true });
  },
};
