//! Every host function that can be linked: its row, its body, its parameters.
//!
//! Enters: the name of a macro that makes something of each. Leaves: that macro, called with the whole list. Module,
//! name and price are those of the row, [`crate::capability::IMPORTS`].

macro_rules! host_functions {
    ($then:ident) => {
        $then! {
            Abort = io::abort(message: u32, file: u32, line: u32, column: u32);
            Base64Decode = base64::decode(ptr: u32, len: u32, flags: u32);
            Base64Encode = base64::encode(ptr: u32, len: u32, flags: u32);
            Fail = io::fail(ptr: u32, len: u32);
            HashCommit = hash::hash_commit(ptr: u32, len: u32);
            HashSha256 = hash::hash_sha256(ptr: u32, len: u32);
            HashVerify = hash::hash_verify(ptr: u32, len: u32, hex: u32);
            HmacSha256 = hash::hmac_sha256(key: u32, key_len: u32, ptr: u32, len: u32);
            InputLen = io::input_len();
            InputRead = io::input_read(ptr: u32);
            JsonAt = json::at(h: u32, i: u32);
            JsonGet = json::get(h: u32, ptr: u32, len: u32);
            JsonKey = json::key(h: u32, i: u32);
            JsonLen = json::len(h: u32);
            JsonNum = json::number(h: u32);
            JsonPath = json::select(doc: u32, doc_len: u32, path: u32, path_len: u32);
            JsonRaw = json::raw(h: u32);
            JsonRoot = json::root();
            JsonStr = json::string(h: u32);
            JsonType = json::kind(h: u32);
            NumFormat = json::show_number(number: f64);
            NumParse = json::parse_number(ptr: u32, len: u32);
            OutputJsonStr = io::output_json_str(ptr: u32, len: u32);
            OutputNum = io::output_num(number: f64);
            OutputResult = io::output_result();
            OutputResultStr = io::output_result_str();
            OutputWrite = io::output_write(ptr: u32, len: u32);
            RandomBytes = random::random_bytes(ptr: u32, len: u32);
            ResultRead = io::result_read(ptr: u32);
            TextDecode = io::text_decode(ptr: u32, len: u32);
            TextEncode = io::text_encode(ptr: u32, len: u32);
            TimeNowMs = io::time_now_ms();
            ToolCall = tools::tool_call(id: u32, id_len: u32, arguments: u32, arguments_len: u32);
        }
    };
}

pub(in crate::execution) use host_functions;

#[cfg(test)]
mod tests {
    use crate::capability::{HostFunction, IMPORTS, NumberType};

    macro_rules! named {
        ($($name:ident = $file:ident::$body:ident($($arg:ident: $type:ty),*);)*) => {
            vec![$((HostFunction::$name, vec![$(stringify!($type)),*])),*]
        };
    }

    /// The engines hold the results against a capsule's imports; this holds the parameters against the table.
    #[test]
    fn the_list_has_the_parameters_of_the_table() {
        let spelled = |number: &NumberType| match number {
            NumberType::F64 => "f64",
            NumberType::I32 => "u32",
            NumberType::I64 => "u64",
        };
        let table: Vec<(_, Vec<_>)> = IMPORTS
            .iter()
            .map(|row| (row.function, row.params.iter().map(spelled).collect()))
            .collect();
        assert_eq!(host_functions!(named), table);
    }
}
