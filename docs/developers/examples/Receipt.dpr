program Receipt;
// A whole receipt: Delphi 10.4 and newer. TSE_URL, TSE_SERIAL and TSE_TOKEN name the gateway. On Windows its ca.pem is
// installed among the trusted root certificates.
{$APPTYPE CONSOLE}

uses
  System.SysUtils, System.Classes, System.JSON, System.Net.HttpClient, System.Net.URLClient;

const
  Body = '{"client_id": "POS-1", "receipt": {"amounts": {"normal": "1.19"}, ' +
    '"payments": [{"type": "Bar", "amount": "1.19"}]}}';

function Signed(const Url, Token, Key: string): IHTTPResponse;
var
  Client: THTTPClient;
  Content: TStringStream;
begin
  Client := THTTPClient.Create;
  Content := TStringStream.Create(Body, TEncoding.UTF8);
  try
    Client.ResponseTimeout := 60000;
    Result := nil;
    while (Result = nil) or (Result.StatusCode >= 500) do
    try // the same request under the same key gets the one signature that belongs to it
      Content.Position := 0;
      Result := Client.Post(Url, Content, nil, [
        TNameValuePair.Create('Authorization', 'Bearer ' + Token),
        TNameValuePair.Create('Content-Type', 'application/json'),
        TNameValuePair.Create('Idempotency-Key', Key)]);
      if Result.StatusCode >= 500 then
        Sleep(1000);
    except
      on ENetHTTPException do
        Sleep(1000);
    end;
  finally
    Content.Free;
    Client.Free;
  end;
end;

var
  Response: IHTTPResponse;
  Answer: TJSONValue;
begin
  Response := Signed(GetEnvironmentVariable('TSE_URL') + '/api/v1/tses/' + GetEnvironmentVariable('TSE_SERIAL') +
    '/sign?qr=svg', GetEnvironmentVariable('TSE_TOKEN'), TGUID.NewGuid.ToString);
  Answer := TJSONObject.ParseJSONValue(Response.ContentAsString(TEncoding.UTF8));
  try
    if Response.StatusCode = 200 then
      Writeln(Answer.GetValue<string>('process_data') + sLineBreak + Answer.GetValue<string>('qr_text') + sLineBreak +
        Answer.GetValue<string>('qr_svg'))
    else
      Writeln(ErrOutput, Answer.GetValue<string>('detail'));
  finally
    Answer.Free;
  end;
end.
