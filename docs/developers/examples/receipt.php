<?php
// A whole receipt: php receipt.php. TSE_URL, TSE_SERIAL, TSE_TOKEN and TSE_CA name the gateway. Needs the extension curl.

$key = bin2hex(random_bytes(16));
$amount = '1.19';
$body = json_encode([
    'client_id' => 'POS-1',
    'receipt' => ['amounts' => ['normal' => $amount], 'payments' => [['type' => 'Bar', 'amount' => $amount]]],
]);
$curl = curl_init(getenv('TSE_URL') . '/api/v1/tses/' . getenv('TSE_SERIAL') . '/sign?qr=svg');
curl_setopt_array($curl, [
    CURLOPT_CAINFO => getenv('TSE_CA'),
    CURLOPT_POSTFIELDS => $body,
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_TIMEOUT => 60,
    CURLOPT_HTTPHEADER => [
        'Authorization: Bearer ' . getenv('TSE_TOKEN'),
        'Content-Type: application/json',
        "Idempotency-Key: $key",
    ],
]);
do { // the same request under the same key gets the one signature that belongs to it
    $answer = curl_exec($curl);
    $status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
    $again = $answer === false || $status >= 500;
    if ($again) {
        sleep(1);
    }
} while ($again);
$receipt = json_decode($answer, true);
if ($status !== 200) {
    fwrite(STDERR, $receipt['detail'] . "\n");
    exit(1);
}
echo $receipt['process_data'], "\n", $receipt['transaction_number'], "\n", $receipt['qr_text'], "\n", $receipt['qr_svg'], "\n";
