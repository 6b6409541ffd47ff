// Tries a request of the REST API from its page. The token stays in the page's memory.

const told = document.getElementById("told");
const access = document.getElementById("access");
const credentials = "omit"; // else the browser asks for a password itself when the token is wrong
document.documentElement.dataset.scripts = "on";

function headers() {
  const token = document.getElementById("token").value;
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function useToken() {
  const answer = await fetch("/api/v1/tses", { headers: headers(), credentials });
  if (!answer.ok) {
    told.textContent = `The gateway refused the token (${answer.status}).`;
    return;
  }
  const simulated = (await answer.json()).filter((tse) => !tse.certified);
  if (!simulated.length) {
    told.textContent = "This gateway has no simulated TSE: give the serial yourself, and know what you do.";
    return;
  }
  const serial = simulated[0].serial;
  for (const input of document.querySelectorAll('form.try input[name="serial"][data-in="path"]')) {
    input.value = serial;
  }
  told.textContent = `The simulated TSE ${serial.slice(0, 8)} is filled in.`;
}

function request(form) {
  const query = new URLSearchParams();
  const sent = headers();
  let path = form.dataset.path;
  for (const input of form.querySelectorAll("input")) {
    const value = input.value;
    if (input.dataset.in === "path") {
      path = path.replace(`{${input.name}}`, encodeURIComponent(value));
    } else if (value && input.dataset.in === "query") {
      query.set(input.name, value);
    } else if (value) {
      sent[input.name] = value;
    }
  }
  const body = form.querySelector("textarea");
  if (body) {
    sent["Content-Type"] = "application/json";
  }
  const url = query.size ? `${path}?${query}` : path;
  return [url, { method: form.dataset.method, headers: sent, body: body ? body.value : undefined, credentials }];
}

async function shown(answer) {
  const media = answer.headers.get("Content-Type") ?? "";
  const head = `${answer.status} ${answer.statusText}\n${media}\n\n`;
  if (media.includes("json")) {
    return head + JSON.stringify(await answer.json(), null, 2);
  }
  if (media.startsWith("text/event-stream")) {
    const reader = answer.body.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    return `${head}${new TextDecoder().decode(value)}\n(the stream goes on)`;
  }
  if (media.startsWith("text/") || media.includes("xml") || media.includes("pem")) {
    return head + (await answer.text());
  }
  return `${head}${(await answer.arrayBuffer()).byteLength} bytes`;
}

async function send(form) {
  const place = form.querySelector(".answer");
  place.textContent = "…";
  try {
    place.textContent = await shown(await fetch(...request(form)));
  } catch (error) {
    place.textContent = String(error);
  }
}

document.addEventListener("submit", (event) => {
  event.preventDefault();
  if (event.target === access) {
    useToken();
  } else {
    send(event.target);
  }
});

if (location.hash) {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
}
