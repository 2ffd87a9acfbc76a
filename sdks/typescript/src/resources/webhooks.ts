/** Who is told when something happens. */

import type { CursorPage, List } from "../pagination.js";
import { path, type RequestOptions } from "../transport.js";
import type { AppRef, CursorArgs, Delivery, Ended, NewWebhook, Webhook, WebhookWithSecret } from "../types.js";
import { appPath, fields, Resource } from "./resource.js";

type WebhookRef = AppRef & { webhookId: string };

export class Webhooks extends Resource {
  /** Return a new webhook with its secret, which no later answer holds. */
  create(args: AppRef & NewWebhook, options?: RequestOptions): Promise<WebhookWithSecret> {
    return this.write("POST", `${appPath(args)}/webhooks`, { body: fields(args) }, options);
  }

  list(args: AppRef & CursorArgs, options?: RequestOptions): List<Webhook, CursorPage<Webhook>> {
    return this.cursors(`${appPath(args)}/webhooks`, args, options);
  }

  get(args: WebhookRef, options?: RequestOptions): Promise<Webhook> {
    return this.read(webhookPath(args), {}, options);
  }

  update(args: WebhookRef & Partial<NewWebhook> & { enabled?: boolean }, options?: RequestOptions): Promise<Webhook> {
    return this.write("PUT", webhookPath(args), { body: fields(args, "webhookId") }, options);
  }

  delete(args: WebhookRef, options?: RequestOptions): Promise<Ended> {
    return this.write("DELETE", webhookPath(args), {}, options);
  }

  /** Return a new secret; the old one counts for another 24 hours. */
  rotate(args: WebhookRef, options?: RequestOptions): Promise<WebhookWithSecret> {
    return this.write("POST", `${webhookPath(args)}/rotate`, {}, options);
  }

  /** Have a test event delivered. */
  test(args: WebhookRef, options?: RequestOptions): Promise<Delivery> {
    return this.write("POST", `${webhookPath(args)}/test`, {}, options);
  }

  deliveries(
    args: WebhookRef & CursorArgs & { state?: Delivery["state"] },
    options?: RequestOptions,
  ): List<Delivery, CursorPage<Delivery>> {
    return this.cursors(`${webhookPath(args)}/deliveries`, fields(args, "webhookId"), options);
  }

  /** Deliver once more. */
  replay(args: WebhookRef & { deliveryId: string }, options?: RequestOptions): Promise<Delivery> {
    return this.write("POST", webhookPath(args) + path`/deliveries/${args.deliveryId}/replay`, {}, options);
  }
}

function webhookPath(ref: WebhookRef): string {
  return appPath(ref) + path`/webhooks/${ref.webhookId}`;
}
