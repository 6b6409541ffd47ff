// A whole receipt: dotnet run, .NET 8 and newer. TSE_URL, TSE_SERIAL and TSE_TOKEN name the gateway, TSE_CA its ca.pem.
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;

string Given(string name) => Environment.GetEnvironmentVariable(name) ?? throw new ArgumentException(name);

var authority = X509Certificate2.CreateFromPem(File.ReadAllText(Given("TSE_CA")));
var handler = new SocketsHttpHandler();
handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy
{
    TrustMode = X509ChainTrustMode.CustomRootTrust,
    CustomTrustStore = { authority },
    RevocationMode = X509RevocationMode.NoCheck,
};
using var client = new HttpClient(handler) { BaseAddress = new Uri(Given("TSE_URL")), Timeout = TimeSpan.FromSeconds(60) };
client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Given("TSE_TOKEN"));
client.DefaultRequestHeaders.Add("Idempotency-Key", Guid.NewGuid().ToString());
var body = new
{
    client_id = "POS-1",
    receipt = new { amounts = new { normal = "1.19" }, payments = new[] { new { type = "Bar", amount = "1.19" } } },
};
while (true)
{
    try
    {
        using var answer = await client.PostAsJsonAsync($"/api/v1/tses/{Given("TSE_SERIAL")}/sign?qr=svg", body);
        if ((int)answer.StatusCode < 500)
        {
            var receipt = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
            Console.WriteLine(answer.IsSuccessStatusCode
                ? $"{receipt["process_data"]}\n{receipt["transaction_number"]}\n{receipt["qr_text"]}\n{receipt["qr_svg"]}"
                : $"{receipt["detail"]}");
            return answer.IsSuccessStatusCode ? 0 : 1;
        }
    }
    catch (Exception failure) when (failure is HttpRequestException or TaskCanceledException)
    {
    }
    await Task.Delay(1000); // the same request under the same key gets the one signature that belongs to it
}
