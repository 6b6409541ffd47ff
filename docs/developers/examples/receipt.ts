// A whole receipt with openapi-fetch and the types that openapi-typescript generates as tse.ts; see clients.md.
import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./tse";

const { TSE_URL = "", TSE_SERIAL = "", TSE_TOKEN = "" } = process.env; // NODE_EXTRA_CA_CERTS names its ca.pem
const headers = { Authorization: `Bearer ${TSE_TOKEN}`, "Idempotency-Key": randomUUID() };
const client = createClient<paths>({ baseUrl: TSE_URL, headers });
const body: components["schemas"]["SignRequest"] = {
  client_id: "POS-1",
  receipt: { amounts: { normal: "1.19" }, payments: [{ type: "Bar", amount: "1.19" }] },
};

async function signed(): Promise<components["schemas"]["SignedReceipt"]> {
  for (;;) {
    try {
      const params = { path: { serial: TSE_SERIAL }, query: { qr: "svg" as const } };
      const { data, error, response } = await client.POST("/api/v1/tses/{serial}/sign", { params, body });
      if (data) {
        return data;
      }
      if (response.status < 500) {
        throw new RangeError(error.detail ?? error.title);
      }
    } catch (failure) {
      if (failure instanceof RangeError) {
        throw failure;
      }
    }
    await setTimeout(1000); // the same request under the same key gets the one signature that belongs to it
  }
}

const receipt = await signed();
console.log([receipt.process_data, receipt.transaction_number, receipt.qr_text, receipt.qr_svg].join("\n"));
